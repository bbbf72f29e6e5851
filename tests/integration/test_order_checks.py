"""An order whose wallet can't pay, or whose token is not what it seems, ends before any venue is asked.

The wallet is made up here; Postgres, the moves and the chain that swaps land on are the real ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from oee_daemon.contract.order_types import OrderType, SwapMode
from oee_daemon.contract.status import Status
from oee_daemon.engine.engine_order_checks import OrderChecks
from oee_daemon.engine.engine_token_desk import TokenDesk
from oee_daemon.errors import AttemptFailed, ChainUnavailable, Conflict, InvalidInput
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.holdings import Extension, Holding, Means, MintFacts
from oee_daemon.networks.network import Network
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Quote, QuoteRequest, Toll
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS
from tests.kit.engine import Bench

SOL, USDC, JUP = TOKENS["SOL"], TOKENS["USDC"], TOKENS["JUP"]
RISK = Extension("permanent-delegate", "X can take it out of every wallet", risk=True)
RICH = 10**15


@dataclass
class MadeUp:
    """A wallet as its nodes tell it: lamports and units of the input, for each node. `away`: how often nobody
    answers first."""

    nodes: list[tuple[int, int]] = field(default_factory=lambda: [(RICH, RICH)])
    away: int = 0
    broken: bool = False
    #: The first node knows no mint at all.
    blind: bool = False
    facts: dict[str, MintFacts] = field(
        default_factory=lambda: {
            t.mint: MintFacts(mint=t.mint, decimals=t.decimals, program="P") for t in TOKENS.values()
        }
    )
    asked: int = 0
    opened: set[str] = field(default_factory=set)

    async def balances(self, deadline_s: float) -> Sequence[Holding]:
        raise AssertionError("no order asks for all of it")

    async def means(
        self, request: QuoteRequest, deadline_s: float, *, every: bool = False, opens: Sequence[str] = ()
    ) -> Sequence[Means]:
        self.asked += 1
        if self.broken:
            raise KeyError("value")
        if self.asked <= self.away:
            raise ChainUnavailable("Nobody answers.")
        traded = (request.input_token.mint, request.output_token.mint)
        facts = {mint: self.facts[mint] for mint in traded if mint in self.facts}
        return [
            Means(
                native=native,
                given=given,
                fee=100_000,
                reserve=3_000_000 + (2_000_000 if set(opens) - self.opened else 0),
                spends_native=request.input_token == SOL,
                facts={} if self.blind and n == 0 else facts,
            )
            for n, (native, given) in enumerate(self.nodes if every else self.nodes[:1])
        ]

    async def read(self, mints: Sequence[str], deadline_s: float) -> Mapping[str, MintFacts]:
        if self.away:
            raise ChainUnavailable("Nobody answers.")
        return {mint: self.facts[mint] for mint in mints if mint in self.facts}

    def risky(self, mint: str) -> None:
        self.facts[mint] = replace(self.facts[mint], extensions=(RISK,))


@pytest.fixture
def made_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """Executions made from now on are of a network whose wallet can be read, and which pins SOL and USDC."""
    wallet, plain = MadeUp(), bench.network

    def network(chain: Any) -> Network:
        book = TokenBook("simulated", [SOL, USDC])
        return replace(plain(chain), tokens=book, holdings=wallet, mints=wallet)

    monkeypatch.setattr(bench, "network", network)
    return wallet


def desk(bench: Bench) -> TokenDesk:
    """Another process's."""
    return TokenDesk(bench.db, bench.network(bench.chain()))


def ended(bench: Bench, order: Order) -> tuple[Status, str | None, int, list[Status]]:
    """How it ended, why, by how many attempts, and by which steps."""
    found = bench.run_to_end(bench.execution(), order.id)
    steps = [event.status for event in bench.events(order.id)]
    return found.status, None if found.error is None else found.error["code"], found.attempt, steps


REFUSED = [Status.PENDING, Status.ROUTING, Status.FAILED]


@pytest.mark.parametrize("nodes", [[(10**9, RICH)], [(10**9, RICH), (2 * 10**9, RICH)]])
def test_what_no_node_says_can_be_paid_ends_before_routing(
    bench: Bench, made_up: MadeUp, nodes: list[tuple[int, int]]
) -> None:
    """Two SOL beside the network's fee, of a wallet of one, or of one that another node says has two."""
    made_up.nodes = nodes
    order = bench.place(amount=2 * 10**9)
    assert ended(bench, order) == (Status.FAILED, "insufficient_funds", 1, REFUSED)
    (last,) = [event for event in bench.events(order.id) if event.status is Status.FAILED]
    assert not last.data.get("answers") and not last.data["error"]["retryable"]
    assert last.data["error"]["message"].startswith("The wallet has 1 SOL and needs 2.0031:")


def test_a_node_that_is_behind_ends_no_order(bench: Bench, made_up: MadeUp) -> None:
    made_up.nodes = [(0, 0), (RICH, RICH)]
    assert ended(bench, bench.place())[0] is Status.CONFIRMED


def test_a_token_that_one_node_alone_does_not_know_ends_no_order(bench: Bench, made_up: MadeUp) -> None:
    made_up.blind, made_up.nodes = True, [(RICH, RICH), (RICH, RICH)]
    assert ended(bench, bench.place())[0] is Status.CONFIRMED
    made_up.nodes = made_up.nodes[:1]
    assert ended(bench, bench.place()) == (Status.FAILED, "unknown_token", 1, REFUSED)


@pytest.mark.parametrize("broken", [False, True])
def test_a_chain_that_says_nothing_costs_an_attempt_and_no_order(
    bench: Bench, made_up: MadeUp, broken: bool
) -> None:
    made_up.away, made_up.broken = 1, broken
    order = bench.place()
    execution = bench.execution()
    execution.run(order.id)
    found = bench.order(order.id)
    assert (found.status, found.attempt) == (Status.PENDING, 2)
    assert bench.events(order.id)[-1].data["error"]["code"] == "chain_unavailable"
    made_up.broken = False
    bench.wake(order.id)
    assert bench.run_to_end(execution, order.id).status is Status.CONFIRMED


@pytest.mark.parametrize(
    ("most", "has", "steps"),
    [
        # Of 1 SOL at about 142 USDC.
        (None, 100, [*REFUSED]),
        (None, 143, None),
        (300 * 10**6, 250, [*REFUSED]),
        (200 * 10**6, 250, None),
    ],
)
def test_an_exact_output_is_measured_by_its_bound_or_else_by_its_quote(
    bench: Bench, made_up: MadeUp, most: int | None, has: int, steps: list[Status] | None
) -> None:
    made_up.nodes = [(10**9, has * 10**6)]
    order = bench.buy(max_spend=most) if most else bench.buy()
    status, code, attempt, seen = ended(bench, order)
    if steps is None:
        assert status is Status.CONFIRMED
    else:
        assert (code, attempt, seen) == ("insufficient_funds", 1, steps)
        answers = bench.events(order.id)[-1].data.get("answers")
        assert bool(answers) is (most is None)


def test_a_bound_that_the_first_choice_fixed_is_not_what_a_wallet_has_to_have(
    bench: Bench, made_up: MadeUp
) -> None:
    """The second attempt of an exact output is measured by its quote, as the first one was."""
    order = bench.buy()
    bench.set(order.id, attempt=2, max_spend=160 * 10**6)
    made_up.nodes = [(10**9, 150 * 10**6)]
    assert ended(bench, order)[0] is Status.CONFIRMED


def test_a_token_that_can_be_taken_back_is_traded_where_that_was_accepted(
    bench: Bench, made_up: MadeUp
) -> None:
    made_up.risky(JUP.mint)
    other = desk(bench)
    bench.loop.run(other.learn(JUP.mint))
    terms = terms_of({"input_token": SOL, "output_token": JUP, "amount": 10**9})
    order = bench.accept(terms, None)[0]
    assert ended(bench, order) == (Status.FAILED, "unsafe_token", 1, REFUSED)
    # An execution that has met the token already sees at once what another process writes.
    execution = bench.execution()
    order = bench.accept(terms, None)[0]
    bench.loop.run(other.add(JUP.mint, None, [RISK.name]))
    assert bench.run_to_end(execution, order.id).status is Status.CONFIRMED
    bench.loop.run(other.remove(JUP.mint))
    order = bench.accept(terms, None)[0]
    found = bench.run_to_end(execution, order.id)
    assert found.error is not None and found.error["code"] == "unsafe_token"


def test_a_pinned_token_is_read_like_any_other_and_whoever_holds_one_may_sell_it(
    bench: Bench, made_up: MadeUp
) -> None:
    made_up.risky(USDC.mint)
    assert ended(bench, bench.place())[1] == "unsafe_token"
    assert ended(bench, bench.buy())[0] is Status.CONFIRMED


def test_a_token_of_a_moment_ago_is_traded_by_a_worker_that_never_met_it(
    bench: Bench, made_up: MadeUp
) -> None:
    execution = bench.execution()
    terms = terms_of({"input_token": SOL, "output_token": JUP, "amount": 10**9})
    order = bench.accept(terms, None)[0]
    found = bench.run_to_end(execution, order.id)
    assert found.status is Status.FAILED and found.error is not None
    assert (found.error["code"], made_up.asked) == ("unknown_token", 0)
    bench.loop.run(desk(bench).add(JUP.mint, "JUP", []))
    order = bench.accept(terms, None)[0]
    assert bench.run_to_end(execution, order.id).status is Status.CONFIRMED
    # Also where it is found already chosen.
    late = bench.execution(owner="two")
    order = bench.accept(terms, None)[0]
    bench.to(order, Status.ROUTING, Status.BUILDING)
    bench.set(order.id, lease_until=bench.ago(seconds=1))
    assert bench.run_to_end(late, order.id).status is Status.CONFIRMED


def test_a_token_with_other_decimals_than_were_counted_is_not_traded(bench: Bench, made_up: MadeUp) -> None:
    made_up.facts[USDC.mint] = replace(made_up.facts[USDC.mint], decimals=9)
    assert ended(bench, bench.place())[1] == "token_changed"


def test_courtesy_says_what_it_knows_and_waits_for_nobody(bench: Bench, made_up: MadeUp) -> None:
    network = bench.network(bench.chain())
    checks = OrderChecks(network, TokenDesk(bench.db, network), FaultLog())
    terms = terms_of(
        {"input_token": USDC, "output_token": SOL, "amount": 10**9, "swap_mode": SwapMode.EXACT_OUT}
    )
    made_up.nodes = [(0, RICH)]
    found = bench.loop.run(checks.courtesy(terms))
    assert found is not None and found.code == "insufficient_funds"
    assert bench.loop.run(checks.courtesy(replace(terms, type=OrderType.LIMIT))) is None
    # What was said a moment ago speaks for orders, and never against one that the chain would let pass now.
    made_up.nodes = [(RICH, RICH)]
    asked = made_up.asked
    assert bench.loop.run(checks.courtesy(terms)) is None
    assert made_up.asked == asked + 1
    made_up.away = 99
    assert bench.loop.run(checks.courtesy(replace(terms, input_mint=SOL.mint, output_mint=USDC.mint))) is None


@pytest.mark.parametrize("opened", [False, True])
def test_an_account_that_the_way_makes_is_counted_before_anything_is_built(
    bench: Bench, made_up: MadeUp, opened: bool
) -> None:
    """An order for nearly all SOL was taken, and failed attempt by attempt where PumpSwap was the best."""
    network = bench.network(bench.chain())
    checks = OrderChecks(network, TokenDesk(bench.db, network), FaultLog())
    amount, toll = 10**9, Toll(("pool",), opens=("kept",))
    quote = Quote(venue="jupiter", amount_in=amount, amount_out=10**8, toll=toll)
    made_up.nodes = [(amount + 100_000 + 3_000_000 + 1_999_999, RICH)]
    made_up.opened = {"kept"} if opened else set()
    order = bench.place(amount=amount)
    means = bench.loop.run(checks.before_routing(order))
    choice = checks.at_choice(order, quote, 10**8, means)
    said = checks.courtesy(order, quote)
    if opened:
        bench.loop.run(choice)
        assert bench.loop.run(said) is None
        return
    with pytest.raises(AttemptFailed) as failed:
        bench.loop.run(choice)
    assert failed.value.code == "insufficient_funds" and not failed.value.retryable
    assert "0.005 kept for accounts" in failed.value.message
    found = bench.loop.run(said)
    assert found is not None and found.code == "insufficient_funds"
    made_up.nodes = [(amount + 100_000 + 3_000_000 + 2_000_000, RICH)]
    bench.loop.run(checks.at_choice(order, quote, 10**8, means))


def test_a_symbol_is_of_the_token_that_another_daemon_has_given_it_to(bench: Bench, made_up: MadeUp) -> None:
    """Whoever had read the tokens at its start bought the one that bore it then; and a batch that was placed
    by one daemon was placed once more by another, which did not know the symbol."""
    mine, other = desk(bench), desk(bench)
    bench.loop.run(mine.add(JUP.mint, "FOO", []))
    bench.loop.run(other.learn(" foo ", "USDC", "nobody's"))
    assert other.book.find("FOO", "x").mint == JUP.mint
    bench.loop.run(mine.remove("FOO"))
    bench.loop.run(mine.add(TOKENS["BONK"].mint, "Foo", []))
    bench.loop.run(other.learn("FOO"))
    assert other.book.find("FOO", "x").mint == TOKENS["BONK"].mint
    third = desk(bench)
    bench.loop.run(third.all_facts())
    assert [token.symbol for token in third.book] == ["SOL", "USDC", "Foo"]


def test_what_is_said_of_a_token_is_kept_and_taken_back(bench: Bench, made_up: MadeUp) -> None:
    mine, other = desk(bench), desk(bench)
    made_up.risky(JUP.mint)

    def known(at: TokenDesk) -> tuple[str, tuple[str, ...], bool]:
        at.load()
        found = at.book.known(JUP.mint)
        assert found is not None and found.facts.extensions == (RISK,)
        return at.book.by_mint(JUP.mint).symbol, found.accepted, JUP in list(at.book)

    bench.loop.run(mine.learn("JUP", JUP.mint, None, "no mint"))
    assert known(mine) == known(other) == (JUP.mint, (), False)
    bench.loop.run(mine.add(JUP.mint, "JUP", [RISK.name]))
    assert known(mine) == known(other) == ("JUP", (RISK.name,), True)
    assert other.book.find("jup", "x") == JUP
    bench.loop.run(other.remove("jup"))
    assert known(mine) == known(other) == (JUP.mint, (), False)
    with pytest.raises(InvalidInput):
        other.book.find("JUP", "x")
    for work, kind, code in (
        (mine.add(USDC.mint, None, []), Conflict, "token_pinned"),
        (mine.add(JUP.mint, "U5DC", []), InvalidInput, "symbol_taken"),
        (mine.add(JUP.mint, None, ["pausable"]), InvalidInput, "unknown_risk"),
        (mine.add("11111111111111111111111111111111", None, []), InvalidInput, "unknown_token"),
        (mine.remove(JUP.mint), InvalidInput, "token_not_added"),
        (mine.remove("SOL"), Conflict, "token_pinned"),
    ):
        with pytest.raises(kind) as caught:
            bench.loop.run(work)
        assert getattr(caught.value, "code", "") == code
    made_up.away = 1
    with pytest.raises(ChainUnavailable):
        bench.loop.run(mine.add(JUP.mint, None, []))


def test_a_symbol_that_another_process_gave_meanwhile_is_taken(bench: Bench, made_up: MadeUp) -> None:
    """Each has not heard of what the other added: Postgres decides."""
    mine, other = desk(bench), desk(bench)
    bench.loop.run(mine.add(JUP.mint, "NEW", []))
    with pytest.raises(InvalidInput) as caught:
        bench.loop.run(other.add(TOKENS["RAY"].mint, "new", []))
    assert caught.value.code == "symbol_taken"
