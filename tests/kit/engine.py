"""An engine to hold in one's hands: real Postgres and Valkey, the simulated network on a held clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from solders.keypair import Keypair
from sqlalchemy import Engine, Row, func, select, update

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.contract.status import RUNNABLE, Status
from oee_daemon.engine.engine_urgent_orders import UrgentOrders
from oee_daemon.engine.engine_watcher import Watcher
from oee_daemon.engine.execution import Execution
from oee_daemon.engine.execution_slots import Slots
from oee_daemon.engine.intake import Intake
from oee_daemon.engine.placing import Placing
from oee_daemon.engine.recovery import Recovery
from oee_daemon.errors import AttemptFailed
from oee_daemon.networks.holdings import MintFacts
from oee_daemon.networks.network import Network
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.simulated import simulated_listings, simulated_market
from oee_daemon.networks.simulated.simulated_chain import SimulatedChain
from oee_daemon.networks.simulated.simulated_faults import Faults
from oee_daemon.networks.simulated.simulated_guard import SimulatedGuard
from oee_daemon.networks.simulated.simulated_listing_source import SimulatedListings
from oee_daemon.networks.simulated.simulated_prices import SimulatedPrices
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.order import Event, Order
from oee_daemon.orders.swap import Fill, Quote, SignedSwap
from oee_daemon.orders.terms import Terms, terms_of
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.queue.queue_broker import open_broker
from oee_daemon.queue.queue_hints import Feed
from oee_daemon.store import move_sql, order_rows
from oee_daemon.store.engine_row import Where
from oee_daemon.store.postgres_line import Line
from oee_daemon.timing import USUAL
from tests.kit.clock import FakeClock
from tests.kit.engine_ledger import OnLedger
from tests.kit.hooked_chain import HookedChain
from tests.kit.now import loop, now
from tests.kit.tables import orders, swaps

#: The tokens that the network lists.
BOOK = TokenBook("simulated", TOKENS.values(), lambda mint: _new_tokens(mint))
#: Slots between two new tokens.
LISTING_SLOTS = 2
#: Orders in execution at once.
SLOTS = 10


def _new_tokens(mint: str) -> MintFacts | None:
    found = simulated_listings.of_mint(0, mint, LISTING_SLOTS)
    return None if found is None else found.facts


async def _nothing() -> None: ...


class Bench(OnLedger):
    """Orders in Postgres, and as many executions on them as a test wants."""

    def __init__(self, db: Engine, redis_url: str, ledger: Engine, line: Line | None = None) -> None:
        """`line`: one that stays open."""
        self.db = db
        self.ledger = ledger
        self.clock = FakeClock()
        #: Of the executions that are made from now on.
        self.timing = USUAL
        self.loop = loop()
        self._own_line = line is None
        self.line = line or Line(db.url)
        self.feed = Feed(redis_url)
        self.broker = open_broker(redis_url)
        self.wallet = Wallet(Keypair.from_seed(bytes(32)))
        self.intake = Intake(db, self.line, self.broker, self.feed, network="simulated")

    def close(self) -> None:
        if self._own_line:
            now(self.line.close())
        self.intake.close()
        self.feed.close()
        self.broker.close()

    # The engine's parts.

    def chain(self, failure_rate: str = "0") -> HookedChain:
        return HookedChain(self.ledger, clock=self.clock, failure_rate=failure_rate)

    def network(self, chain: SimulatedChain) -> Network:
        faults = Faults(self.ledger)
        listings = SimulatedListings(chain.height, seed=0, spacing=LISTING_SLOTS)
        shared: dict[str, Any] = {"faults": faults, "clock": self.clock, "height": chain.height}
        venues = [
            SimulatedVenue(pool, seed=0, latency_ms=200, listings=listings, **shared)
            for pool in simulated_market.POOLS
        ]
        return Network(
            name="simulated",
            venues=venues,
            chain=chain,
            wallet=self.wallet,
            tokens=BOOK,
            guard=SimulatedGuard(),
            prices=SimulatedPrices(faults, chain.height, seed=0, volatility=0, listings=listings),
            listings=listings,
            close=_nothing,
        )

    def execution(
        self,
        chain: SimulatedChain | None = None,
        *,
        owner: str = "one",
        max_attempts: int = 3,
        max_active: int = SLOTS,
        urgent_places: int = 0,
    ) -> Execution:
        return Execution(
            self.db,
            self.line,
            self.loop,
            self.network(chain or self.chain()),
            self.feed,
            owner=owner,
            max_attempts=max_attempts,
            max_active=max_active,
            urgent_places=urgent_places,
            timing=self.timing,
        )

    def recovery(
        self, execution: Execution | None = None, *, owner: str = "one", threads: int = 10
    ) -> Recovery:
        execution = execution or self.execution()
        return Recovery(
            self.db,
            self.broker,
            execution,
            UrgentOrders(execution, self.loop, most=SLOTS),
            owner=owner,
            network="simulated",
            threads=threads,
        )

    # Orders.

    def place(self, *, sell: bool = True, amount: int = 10**9, key: str | None = None, **what: Any) -> Order:
        """Sells, or buys, SOL for USDC; accepted as the API does it."""
        given, taken = ("SOL", "USDC") if sell else ("USDC", "SOL")
        what |= {"input_token": TOKENS[given], "output_token": TOKENS[taken], "amount": amount}
        return self.accept(terms_of(what), key)[0]

    def accept(self, terms: Terms, key: str | None) -> tuple[Order, bool]:
        armed = now(Placing(self.network(self.chain())).armed(terms))
        return self.loop.run(self.intake.accept(terms, key, armed))

    def watcher(
        self,
        chain: SimulatedChain | None = None,
        *,
        owner: str = "one",
        where: Where | None = None,
        execution: Execution | None = None,
    ) -> Watcher:
        """`execution`: of what can't wait, as a worker has it; without one a beat fires what is due."""
        urgent = None if execution is None else UrgentOrders(execution, self.loop, most=SLOTS)
        return Watcher(
            self.db,
            self.network(chain or self.chain()),
            self.broker,
            self.feed,
            owner=owner,
            max_active=SLOTS,
            where=lambda: where,
            urgent=urgent,
            line=None if urgent is None else Line(self.db.url),
        )

    def buy(self, amount: int = 10**9, **what: Any) -> Order:
        return self.place(sell=False, amount=amount, swap_mode=SwapMode.EXACT_OUT, **what)

    def order(self, order_id: UUID) -> Order:
        with self.db.connect() as conn:
            found = order_rows.find(conn, order_id)
        assert found is not None
        return found

    def gone(self, order_id: UUID) -> bool:
        with self.db.connect() as conn:
            return order_rows.find(conn, order_id) is None

    def row(self, order_id: UUID) -> Row[Any]:
        """Everything that Postgres has of it, the lease too."""
        with self.db.connect() as conn:
            return conn.execute(select(orders).where(orders.c.id == order_id)).one()

    def set(self, order_id: UUID, **values: Any) -> None:
        """By hand. Of a status that is not runnable nothing is due."""
        if values.get("status", "pending") in set(Status) - RUNNABLE:
            values = {"next_run_at": None} | values
        if "status" in values:
            values = {"arm_rule": 4 if values["status"] == "waiting" else None} | values
        with self.db.connect() as conn:
            conn.execute(update(orders).where(orders.c.id == order_id).values(values))

    def ago(self, **what: float) -> Any:
        """A time before (or with a negative figure after) Postgres's now."""
        return func.clock_timestamp() - timedelta(**what)

    def wake(self, order_id: UUID) -> None:
        """As if its pause were over, if it has one."""
        paused = update(orders).where(orders.c.id == order_id, orders.c.next_run_at.is_not(None))
        with self.db.connect() as conn:
            conn.execute(paused.values(next_run_at=self.ago(seconds=0)))

    def run_to_end(self, execution: Execution, order_id: UUID) -> Order:
        """Runs it until it is final, waking it after each pause."""
        for _ in range(100):
            execution.run(order_id)
            found = self.order(order_id)
            if found.finished_at is not None:
                return found
            self.wake(order_id)
        raise AssertionError(f"still {found.status}")

    def claim(self, order_id: UUID, owner: str = "one") -> Order | None:
        slots = Slots(self.db, self.line, owner=owner, network="simulated", most=SLOTS)
        claimed = now(slots.claim(order_id))
        return None if claimed is None else claimed[0]

    def held(self, order_id: UUID, owner: str = "one") -> Order:
        found = self.claim(order_id, owner)
        assert found is not None
        return found

    def advance(self, order: Order, to: Status, **what: Any) -> Order | None:
        """Moves an order that is held, with what that needs where `what` does not say it."""
        return now(self.moved(order, to, **what))

    async def moved(self, order: Order, to: Status, *, line: Line | None = None, **what: Any) -> Order | None:
        line = line or self.line
        error = AttemptFailed("It did not work.", code="no_route", retryable=True)
        ends: dict[str, Any] = {"failure": error, "answers": [], "swap_ended": None} | what
        if to is Status.BUILDING:
            amounts: dict[str, Any] = {"amount_in": order.amount, "amount_out": 7, "fee": 3}
            quote = Quote(venue="raydium", price_impact_bps=0, **amounts)
            return await move_sql.choose(line, order, what.get("quote", quote), [], what.get("bound", 7))
        if to is Status.SUBMITTED:
            return await move_sql.submit(line, order, what.get("swap", self.swap(order)))
        if to is Status.CONFIRMED:
            return await move_sql.confirm(line, order, self.fill(order), "landed")
        if to is Status.PENDING:
            return await move_sql.retry(line, order, **{"delay": timedelta(0)} | ends)
        if to is Status.EXPIRED:
            return await move_sql.expire(line, order, None)
        return await move_sql.fail(line, order, **ends)

    def to(self, order: Order, *steps: Status) -> Order:
        """Moves an order that is held along `steps`, with what each needs."""
        for step in steps:
            if step is Status.ROUTING:
                # It comes with the claim.
                order = self.held(order.id) if order.status is Status.PENDING else order
                continue
            moved = self.advance(order, step)
            assert moved is not None
            order = moved
        return order

    def fill(self, order: Order) -> Fill:
        """Stands for what the chain says of the order's swap."""
        return Fill(
            signature=order.signature or "signature",
            input_mint=order.input_mint,
            output_mint=order.output_mint,
            amount_in=1,
            amount_out=2,
            fee=0,
            slot=1,
            at=order.created_at,
        )

    def swap(self, order: Order) -> SignedSwap:
        """Stands for a signed swap where nothing is sent."""
        signature = f"{order.id}/{order.attempt}"
        return SignedSwap(
            order_id=order.id, attempt=order.attempt, signature=signature, raw=b"raw", last_valid_height=150
        )

    def events(self, order_id: UUID) -> list[Event]:
        with self.db.connect() as conn:
            return order_rows.events(conn, order_id)

    def trail(self, order_id: UUID) -> list[str]:
        """The statuses of its events, which have to be gapless from 1."""
        found = self.events(order_id)
        assert [e.seq for e in found] == list(range(1, len(found) + 1))
        assert found[-1].seq == self.order(order_id).event_seq
        assert found[-1].status == self.order(order_id).status
        assert [e.at for e in found] == sorted(e.at for e in found)
        return [e.status.value for e in found]

    def swaps(self, order_id: UUID) -> list[tuple[int, str]]:
        """Attempt and state of each swap."""
        found = select(swaps.c.attempt, swaps.c.state).where(swaps.c.order_id == order_id)
        with self.db.connect() as conn:
            return [(r.attempt, r.state) for r in conn.execute(found.order_by(swaps.c.attempt))]
