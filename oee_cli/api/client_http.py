"""One HTTP client for the engine: over its Unix socket, or over TCP where `OEE_URL` says so.

Every answer is checked for the protocol version before it is read, and every problem becomes an error with
its exit code. What may be repeated is repeated here: reads after a drop, and an order with its key, until
the daemon's answer came or the time is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from oee_cli.api.client_host_name import HostName
from oee_cli.api.client_launcher import START_LIMIT, Launcher
from oee_cli.api.client_loosened import say_loosened
from oee_cli.api.client_lost_answers import leaves_open, may_be_done, may_be_placed, not_placed, was_handed_on
from oee_cli.api.client_other_network import OtherNetwork
from oee_cli.api.client_patience import LEAST, SLOW_LIMIT, Patience
from oee_cli.api.client_recent_orders import Recent
from oee_cli.api.client_response_problems import Response, check_response, error_of
from oee_cli.api.client_sendable import check_text
from oee_cli.api.client_transport import UnixTransport, httpx
from oee_cli.cli_errors import CliError, ConnectionLost, OutcomeUnknown, Unreachable
from oee_cli.output import Output
from oee_cli.settings.settings_load import Settings, load_settings
from oee_daemon.contract.protocol import (
    DRY_RUN_HEADER,
    HOME_HEADER,
    KEY_HEADER,
    NETWORK_HEADER,
    PROTOCOL,
    PROTOCOL_HEADER,
    VERSION,
)
from oee_daemon.contract.setting_table import masked
from oee_daemon.contract.shapes import Order

if TYPE_CHECKING:
    from ssl import SSLContext

#: How long a database that went away is waited for before an order is given up, seconds: the daemon
#: restarts its own in less.
_GRACE = 3.0
#: With less than this left, seconds, an order is not sent again.
_TOO_LATE = 0.1
#: How often a read is repeated after a drop.
_READ_TRIES = 3
#: Answered without the database.
_LIVENESS = "/healthz"
#: What is sent by POST and only reads; the second is a dry run here.
_CHANGE_NOTHING = ("/api/orders/find", "/api/orders/execute")


class Client:
    """Speaks to one daemon, and starts it where it is local and gone. Safe to share between threads."""

    def __init__(self, settings: Settings, output: Output, *, connections: int = 4) -> None:
        self.settings = settings
        self.output = output
        self.launcher = Launcher(settings, output)
        self.other_network = OtherNetwork(settings, output)
        self.connections = connections
        self.patience, self.host_name = Patience(), HostName(settings.url)
        #: What the Tab key offers later.
        self.recent = Recent(settings.run_dir, settings.url)
        self._saved_first = False
        self._said_waiting = False
        self._http: httpx.Client | None = None
        self._lock = threading.Lock()

    @property
    def headers(self) -> dict[str, str]:
        """What every request and every WebSocket carries."""
        headers = {PROTOCOL_HEADER: str(PROTOCOL), "User-Agent": f"oee/{VERSION}"}
        if self.settings.network is not None:
            headers[NETWORK_HEADER] = self.settings.network
        if self.settings.url is None:
            headers[HOME_HEADER] = self.launcher.tag
        elif self.settings.token:
            headers["Authorization"] = f"Bearer {self.settings.token}"
        return headers

    @cached_property
    def protection(self) -> dict[str, str]:
        """What requests carry beside that place or change orders. Raises `UsageFault`, and sends nothing."""
        from oee_cli.settings.settings_protection import protection_header

        return protection_header()

    def close(self) -> None:
        self.recent.save()
        self._disconnect()

    def _disconnect(self) -> None:
        with self._lock:
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def ready(self) -> None:
        """Returns once there is a daemon to talk to. Raises `Unreachable`."""
        if self.settings.url is None:
            with self._lock:
                started = self.launcher.start(self.patience.left(START_LIMIT))
            if started:
                # Its socket may be in another place than the one before it.
                self._disconnect()
                say_loosened(self.output, self.launcher.running())

    def get(self, path: str, params: dict[str, Any] | None = None) -> Any:
        return self.read("GET", path, params=params)

    def read(self, method: str, path: str, **kwargs: Any) -> Any:
        """A request that may be repeated after a drop: it changes nothing, or the same thing only once.

        Raises `Unreachable`; and `OutcomeUnknown` where what it changes may be changed.
        """
        sent = False
        try:
            for tries_left in reversed(range(_READ_TRIES)):
                try:
                    body = self.ask(method, path, **kwargs)
                    self._note_orders(body)
                    return body
                except ConnectionLost as lost:
                    sent = sent or lost.sent
                    if not tries_left or lost.timed_out or (self.settings.url and not lost.sent):
                        raise self.unreachable(lost) from None
                    self.ready()
        except Unreachable as e:
            if not sent or method == "GET" or path in _CHANGE_NOTHING:
                raise
            raise may_be_done(e, path) from None
        raise AssertionError

    def execute(self, body: dict[str, Any], key: str, deadline: float) -> tuple[Order, bool]:
        """Places an order. Returns it, and whether it had been placed before."""
        order, replayed = self._place("/api/orders/execute", body, key, deadline)
        self._note_placed(order)
        return order, replayed

    def execute_group(self, orders: list[dict[str, Any]], key: str, deadline: float) -> tuple[Any, bool]:
        """Places orders of which at most one is filled. Returns the group, and whether it had been before."""
        group, replayed = self._place("/api/orders/group", {"rule": "oco", "orders": orders}, key, deadline)
        for order in group["orders"]:
            self._note_placed(order)
        return group, replayed

    def _place(self, path: str, body: dict[str, Any], key: str, deadline: float) -> tuple[Any, bool]:
        """What the daemon answers, and whether it had been placed before.

        The same key goes with every repeat, so a lost answer never becomes a second order.
        """
        with self.patience.waiting(deadline):
            return self._place_until(path, body, key, deadline)

    def _place_until(self, path: str, body: dict[str, Any], key: str, deadline: float) -> tuple[Any, bool]:
        sent = False
        unavailable_until = time.monotonic() + _GRACE
        pause = 0.05
        while True:
            try:
                headers = {KEY_HEADER: key} | self.protection
                answer = self.exchange("POST", path, json=body, headers=headers)
                refused = error_of(answer)
                if refused is None:
                    return answer.body, answer.status == 200
                if answer.status < 500:
                    raise may_be_placed(refused, key) if sent and leaves_open(refused) else refused
                # An answer of 5xx says nothing about what is stored; 503 promises to go by.
                handed_on = was_handed_on(answer)
                refused.retryable = answer.status == 503 or handed_on
                reason: CliError | ConnectionLost = refused
                sent = sent or handed_on or refused.code == OutcomeUnknown.code
                over = time.monotonic() > (deadline if sent else min(deadline, unavailable_until))
            except ConnectionLost as lost:
                sent = sent or lost.sent
                reason = lost
                over = time.monotonic() > deadline - _TOO_LATE
                reason = self._revive(lost, over, deadline) or lost
            if over or (isinstance(reason, CliError) and not reason.retryable):
                if sent:
                    raise may_be_placed(reason, key)
                raise not_placed(reason if isinstance(reason, CliError) else self.unreachable(reason), key)
            time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(1.0, pause * 2)

    def _note_orders(self, body: Any) -> None:
        """Remembers an order, or a page of them, for the Tab key."""
        found = body.get("orders", [body]) if isinstance(body, dict) else []
        if isinstance(found, list):
            self.recent.note(found)

    def _note_placed(self, order: Order) -> None:
        # The first one at once: another shell may want to watch or cancel it while this command waits.
        self.recent.note([order])
        if not self._saved_first:
            self._saved_first = True
            self.recent.save()

    def dry_run(self, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """Asks the daemon for every check of the real path and for the quotes; places nothing."""
        headers = self.protection | {DRY_RUN_HEADER: "1"} | ({} if key is None else {KEY_HEADER: key})
        answer: dict[str, Any] = self.read("POST", "/api/orders/execute", json=body, headers=headers)
        return answer

    def order(self, identifier: str) -> Order:
        from urllib.parse import quote

        # What is no text is no order's id either.
        escaped = quote(identifier.encode(errors="replace"), safe="")
        return cast(Order, self.get(f"/api/orders/{escaped}"))

    def max_attempts(self) -> int | None:
        """How often the daemon tries an order; `None` where it can't say now."""
        try:
            most = self.ask("GET", "/api/status").get("maxAttempts")
        except (CliError, ConnectionLost, AttributeError):
            return None
        return most if isinstance(most, int) else None

    def ask(self, method: str, path: str, **kwargs: Any) -> Any:
        """What is answered to one request. Raises `ConnectionLost`, and the error that a refusal is."""
        return check_response(self.exchange(method, path, **kwargs)).body

    def exchange(self, method: str, path: str, *, timeout: float | None = None, **kwargs: Any) -> Response:
        """One request, one answer, whatever it says. Raises `ConnectionLost` where none came in time."""
        for name, value in {**kwargs.get("json", {}), **(kwargs.get("params") or {})}.items():
            check_text(name, value)
        return self._exchange(method, path, timeout or self._answer_limit(path), **kwargs)

    def _answer_limit(self, path: str) -> float:
        """Seconds for an answer. Near the end of a wait a slow daemon gets more, a silent one no more."""
        if (
            self.patience.asks_last()
            and path != _LIVENESS
            and (self.settings.url or not self.launcher.frozen())
        ):
            with suppress(ConnectionLost):
                self._exchange("GET", _LIVENESS, LEAST)
                return SLOW_LIMIT
        return self.patience.left()

    def _exchange(self, method: str, path: str, timeout: float, **kwargs: Any) -> Response:
        try:
            with self.host_name.connecting(timeout):
                response = self._get_http().request(method, path, timeout=timeout, **kwargs)
        except TimeoutError as e:
            raise ConnectionLost(str(e), sent=False) from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as e:
            self.check_tls(e)
            raise ConnectionLost(str(e) or type(e).__name__, sent=False) from None
        except httpx.ReadTimeout:
            raise ConnectionLost(f"no answer in {timeout:.0f} s", sent=True, timed_out=True) from None
        except (httpx.TransportError, httpx.DecodingError) as e:
            self.check_tls(e)
            raise ConnectionLost(str(e) or type(e).__name__, sent=True) from None
        if PROTOCOL_HEADER not in response.headers:
            self.check_tls()
            if self.settings.url is None and response.status_code >= 500:
                # A daemon that ends at once leaves its last requests to its web server.
                raise ConnectionLost("it ended in the middle of its answer", sent=True)
        # It and its stream hold each other: a page of a listing would stay until the collector comes by.
        del response.stream
        answer = Response(response.status_code, response.headers, response.content)
        self.other_network.hear(answer)
        return answer

    @cached_property
    def tls(self) -> SSLContext | None:
        """The TLS context of HTTP and WebSocket alike; `None` where neither is encrypted. Certificates are
        loaded only for an address that needs them."""
        if not (self.settings.url or "").startswith("https:"):
            return None
        from oee_cli.api.client_tls_faults import tls_context

        return tls_context()

    def check_tls(self, e: Exception | None = None) -> None:
        """Raises what a fault of TLS means: it does not go by, so it is not asked again. Without one: where
        the answer is that of something that speaks TLS."""
        if self.settings.url is None:
            return
        from oee_cli.api import client_tls_faults

        # Who speaks TLS answers something.
        silent = isinstance(e, httpx.ConnectError | httpx.TimeoutException | TimeoutError)
        fault = client_tls_faults.explain_tls_fault(self.settings.url, e) if e else None
        fault = fault or (None if silent else client_tls_faults.explain_tls_spoken(self.settings.url))
        if fault is not None:
            raise fault from None

    def unreachable(self, lost: ConnectionLost) -> Unreachable:
        if self.settings.url:
            return Unreachable(
                f"No daemon answers at {masked(self.settings.url)} ({lost}).",
                hint="Check OEE_URL, and that it runs.",
            )
        frozen = self.launcher.frozen() if lost.timed_out else None
        return frozen or Unreachable(f"The daemon does not answer ({lost}).", hint="See: oee daemon status")

    def _revive(self, lost: ConnectionLost, over: bool, deadline: float) -> CliError | None:
        """Brings a local daemon back. Returns the error where that can't be done."""
        if over:
            return None if lost.sent else self.unreachable(lost)
        try:
            self.ready()
        except CliError as e:
            return e
        # A daemon elsewhere may be restarting, one here be frozen: go on asking until the time is over.
        if (self.settings.url or lost.timed_out) and not self._said_waiting:
            self._said_waiting = True
            who, left = masked(self.settings.url or "the daemon"), max(0.0, deadline - time.monotonic())
            self.output.note(f"no answer from {who} ({lost}): asking again for {left:.0f} s")
        return None

    def _get_http(self) -> httpx.Client:
        with self._lock:
            if self._http is None:
                self._http = self._open_http()
            return self._http

    def _open_http(self) -> httpx.Client:
        # No proxy from the environment: the token and the order go to the daemon and nobody else.
        transport: httpx.BaseTransport
        if self.settings.url:
            limits = httpx.Limits(
                max_connections=self.connections, max_keepalive_connections=self.connections
            )
            transport = httpx.HTTPTransport(limits=limits, trust_env=False, verify=self.tls or False)
            base = self.settings.url
        else:
            transport = UnixTransport(str(self.launcher.checked_socket()))
            base = "http://localhost"
        return httpx.Client(transport=transport, base_url=base, headers=self.headers, trust_env=False)


@contextmanager
def session(output: Output, *, connections: int = 4, places: bool = False) -> Iterator[Client]:
    """A client whose daemon answers, closed at the end. Raises `Unreachable`, and whatever `load` raises.
    `places`: it places or changes orders, so that what protects money is read before anything is sent."""
    with closing(Client(load_settings(), output, connections=connections)) as client:
        _ = places and client.protection
        client.ready()
        yield client
