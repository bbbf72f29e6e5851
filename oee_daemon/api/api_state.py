"""What the routes work with: one value, made once by `api_app`, and found by `state_of`.

Nothing of it is replaced while the daemon runs; `draining` is the one thing that changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from starlette.requests import HTTPConnection

from oee_daemon.api.api_endpoint_checks import EndpointChecks
from oee_daemon.api.api_hub import Hub
from oee_daemon.api.api_price_stream import PriceWatch
from oee_daemon.api.api_probes import Probes
from oee_daemon.engine.editing import Editing
from oee_daemon.engine.engine_identity import Identity
from oee_daemon.engine.engine_order_checks import OrderChecks
from oee_daemon.engine.engine_spending_limits import SpendingLimits
from oee_daemon.engine.engine_telling import Teller
from oee_daemon.engine.engine_token_desk import TokenDesk
from oee_daemon.engine.engine_wallet_lock import WalletLock
from oee_daemon.engine.group_intake import GroupIntake
from oee_daemon.engine.halting import Halting
from oee_daemon.engine.intake import Intake
from oee_daemon.engine.placing import Placing
from oee_daemon.networks.network import Network
from oee_daemon.reads.reads_fills import Fills
from oee_daemon.reads.reads_history import History
from oee_daemon.reads.reads_quality import Stats
from oee_daemon.reads.reads_waiting import WaitingOrders
from oee_daemon.settings import Settings
from oee_daemon.store.postgres_line import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the daemon around the application tells it."""

    started_at: str
    socket_path: Path
    http: Callable[[], dict[str, Any]]
    servers: Callable[[], list[dict[str, object]]]
    worker_pid: Callable[[], int | None]
    #: With it begin the names of the home's own workers.
    home_id: str = ""
    identity: Identity | None = None
    lock: WalletLock | None = None
    #: Halts the engine; none where nobody can.
    halting: Halting | None = None
    teller: Teller | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    settings: Settings
    around: Surroundings
    network: Network
    fills: Fills
    intake: Intake
    groups: GroupIntake
    placing: Placing
    desk: TokenDesk
    checks: OrderChecks
    #: To Postgres, for those who accept.
    line: Line
    limits: SpendingLimits
    history: History
    stats: Stats
    waits: WaitingOrders
    editing: Editing
    hub: Hub
    prices: PriceWatch
    endpoints: EndpointChecks
    probes: Probes
    #: Set once the daemon is stopping: no order is accepted any more.
    draining: Event = field(default_factory=Event)


def state_of(connection: HTTPConnection) -> State:
    """The state of the application that serves this request or WebSocket."""
    found: State = connection.app.state.oee
    return found
