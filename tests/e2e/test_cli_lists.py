"""`oee history`, `oee fills`, `oee show` as processes: filters, columns, the pager, any number of rows."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from oee_daemon.contract.protocol import PROTOCOL
from tests.kit.api_daemon import Shared
from tests.kit.commands import BUY, NO_PRICE, OEE, Cli, faults, frozen_worker
from tests.kit.daemons import until
from tests.kit.terminal import CTRL_C, Terminal

#: Marks what went through it.
MARKING = "sed s/^/paged:/"
#: Runs a command and tells the most memory that it had, kB; small itself, for a child begins with as much.
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


class Paged(Terminal):
    """A terminal whose screen a pager has for itself: only what was written counts."""

    def __init__(self, cli: Cli, *arguments: str, columns: int = 80, **environ: str) -> None:
        super().__init__(cli, *arguments, columns=columns, environ=environ)
        self.screen.feed = lambda text: None  # type: ignore[method-assign]

    def until_written(self, text: str) -> None:
        self.until(lambda _: text in self.raw)


@pytest.fixture
def many(cli: Cli, api: Shared) -> Iterator[list[UUID]]:
    """More orders than a screen of the tests has lines."""
    first = api.place()
    api.end(first)
    copies = api.copies(first, 50)
    yield copies
    api.sql.execute("DELETE FROM orders WHERE id = ANY(%s)", (copies,))


def lines_of(cli: Cli, *arguments: str, columns: int = 80, **environ: str) -> list[str]:
    """What a command writes to a terminal by itself or by a pager that does not wait."""
    terminal = Paged(cli, *arguments, columns=columns, **environ)
    assert terminal.end() == 0
    return [line for line in terminal.raw.splitlines() if line.strip()]


def test_every_filter_of_the_api(cli: Cli, api: Shared) -> None:
    sold = api.place({"inputToken": "JUP", "outputToken": "USDC", "amount": 800})
    api.end(sold)
    with faults(api, *NO_PRICE):
        assert cli.run("buy", "WIF", "USDC", "10").returncode == 7
    failed = cli.json("show", "last")["orderId"]

    def found(*arguments: str) -> list[str]:
        return [order["orderId"] for order in cli.json("history", "-n", "all", *arguments)]

    assert sold in found("--token", "jup", "--side", "sell", "--type", "market", "--since", "1h")
    assert found("--pair", "WIF/USDC", "--status", "failed,expired", "--status", "confirmed")[0] == failed
    assert failed not in found("--pair", "WIF/USDC", "--status", "confirmed,cancelled")
    assert sold not in found("--until", "1h")
    assert sold in found("--since", "today", "--until", "now", "--token", "JUP")


def test_columns_of_the_table_and_of_csv(cli: Cli, api: Shared) -> None:
    order = api.end(api.place())
    names = ["orderId", "when", "for", "took", "fee"]
    done = cli.run("history", "-n", "1", "--csv", "--columns", ",".join(names))
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert list(row) == names
    assert (row["orderId"], row["when"]) == (order["orderId"], order["createdAt"])
    assert (row["for"], row["fee"]) == (order["filledOut"], order["fee"])
    title, line = cli.run("history", "-n", "1", "--columns", "orderId,fee").stdout.splitlines()
    assert title.split() == ["orderId", "fee"]
    assert line.split() == [order["orderId"], order["fee"], "SOL"]
    (fill,) = csv.DictReader(io.StringIO(cli.run("fills", "-n1", "--csv", "--columns", "at,received").stdout))
    assert fill["received"] == order["filledOut"]


@pytest.mark.parametrize("command", ["history", "fills"])
def test_the_columns_are_told_without_a_daemon(cli: Cli, command: str) -> None:
    done = cli.run(command, "--columns", "help", OEE_HOME="/nonexistent", OEE_NO_AUTOSTART="1")
    assert done.returncode == 0
    assert {"order", "when", "signature"} <= {line.split()[0] for line in done.stdout.splitlines()[1:]}


def test_a_listing_is_whole_while_orders_arrive(cli: Cli, api: Shared) -> None:
    first = api.place()
    api.end(first)
    copies = api.copies(first, 1200)
    before = {str(i) for (i,) in api.sql.execute("SELECT id FROM orders").fetchall()}
    try:
        # Its first page is more than a pipe holds: it waits in the middle of it.
        listing = cli.start("history", "--limit", "all", "--json")
        assert listing.stdout is not None
        assert listing.stdout.read(1) == "["
        later = [api.place() for _ in range(3)]
        listed = [order["orderId"] for order in json.loads("[" + listing.stdout.read())]
        assert listing.wait(20) == 0
        assert len(listed) == len(set(listed))
        assert set(listed) == before
        assert {order["orderId"] for order in cli.json("history", "-n3")} == set(later)
    finally:
        for order in later:
            api.end(order)
        api.sql.execute("DELETE FROM orders WHERE id = ANY(%s)", (copies,))


@contextmanager
def long_history(api: Shared, pages: int, breaks_at: int | None = None) -> Iterator[str]:
    """A daemon whose history is one real page of a thousand orders, again and again, until it breaks."""
    order = api.end(api.place())
    row = {name: order[name] for name in order if name not in ("events", "swaps")}
    rows = json.dumps([row] * 1000)

    class Daemon(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            at = int((re.search(r"cursor=(\d+)", self.path) or ["", "1"])[1])
            if at == breaks_at:
                self.close_connection = True
                return
            content = f'{{"orders": {rows}, "nextCursor": {json.dumps(str(at + 1) if at < pages else None)}}}'
            self.send_response(200)
            for name, value in (
                ("OEE-Protocol", str(PROTOCOL)),
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(content))),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Daemon)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("form", "pages"), [(["--json"], 50), (["--csv"], 15), ([], 15)], ids=["json", "csv", "table"]
)
def test_fifty_thousand_rows_take_the_memory_of_two_pages(
    cli: Cli, api: Shared, form: list[str], pages: int
) -> None:
    def kilobytes(limit: str) -> int:
        command = [sys.executable, "-c", MEASURED, *OEE, "history", *form, "--limit", limit]
        environ = cli.environ | {"OEE_URL": url}
        return int(subprocess.run(command, env=environ, capture_output=True, check=True, text=True).stdout)

    with long_history(api, pages) as url:
        few, all_of_them = kilobytes("1000"), kilobytes("all")
    print(f"1,000 rows: {few:,} kB, {pages},000 rows: {all_of_them:,} kB")
    # A page is 0.8 MB of text and more once it is read; a listing that kept them would have 12 MB or 40.
    assert all_of_them - few < 9_000


def test_what_fits_the_screen_goes_through_no_pager(cli: Cli, many: list[UUID]) -> None:
    assert not any("paged" in line for line in lines_of(cli, "history", "-n", "8", LINES="12", PAGER=MARKING))


def test_what_does_not_fit_goes_through_the_pager_in_its_colors(cli: Cli, many: list[UUID]) -> None:
    lines = lines_of(cli, "history", "-n", "30", columns=60, LINES="12", PAGER="cat", OEE_PAGER=MARKING)
    assert len(lines) == 31
    assert all("paged:" in line for line in lines)
    assert "\x1b[31m" in lines[1] and "\x1b[32m" in lines[1]
    plain = [re.sub(r"\x1b\[\d*m|paged:", "", line) for line in lines]
    assert max(map(len, plain)) <= 60
    by_name = lines_of(cli, "fills", "-n", "30", LINES="2", PAGER=MARKING)
    assert by_name and all("paged:" in line for line in by_name)


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        (["--no-pager"], {"OEE_PAGER": MARKING}),
        ([], {"OEE_PAGER": "", "PAGER": MARKING}),
        ([], {"OEE_PAGER": "cat", "PAGER": MARKING}),
        ([], {"OEE_PAGER": "/no/such/pager -x"}),
        ([], {"OEE_PAGER": "'unbalanced"}),
        ([], {"PATH": "/nonexistent"}),
        ([], {"OEE_PAGER": MARKING, "TERM": "dumb"}),
        (["--csv"], {"OEE_PAGER": MARKING}),
        (["--json"], {"OEE_PAGER": MARKING}),
    ],
    ids=lambda value: " ".join(value if isinstance(value, list) else [f"{k}={v}" for k, v in value.items()]),
)
def test_no_pager_where_none_is_wanted_or_there(
    cli: Cli, many: list[UUID], options: list[str], environ: dict[str, Any]
) -> None:
    lines = lines_of(cli, "history", "-n", "30", *options, **({"LINES": "12"} | environ))
    assert len(lines) in (30, 31)
    assert not any("paged" in line for line in lines)


def test_no_pager_in_a_pipe(cli: Cli, many: list[UUID]) -> None:
    done = cli.run("history", "-n", "30", LINES="12", OEE_PAGER=MARKING)
    assert len(done.stdout.splitlines()) == 31
    assert "paged" not in done.stdout + done.stderr


def test_leaving_less_early_ends_the_listing_quietly(cli: Cli, api: Shared) -> None:
    with long_history(api, 1000) as url:
        terminal = Paged(cli, "history", "--limit", "all", OEE_URL=url)
        terminal.until_written("confirmed")
        # Ctrl-C is for less, which goes on.
        terminal.type(CTRL_C)
        terminal.type(b" ")
        written = len(terminal.raw)
        terminal.until(lambda _: len(terminal.raw) > written)
        assert terminal.process.poll() is None
        terminal.type(b"q")
        assert terminal.end() == 0
    assert "Traceback" not in terminal.raw and "✗" not in terminal.raw


def test_a_daemon_that_goes_away_is_told_once_less_has_been_left(cli: Cli, api: Shared) -> None:
    with long_history(api, 9, breaks_at=2) as url:
        terminal = Paged(cli, "history", "--limit", "all", OEE_URL=url)
        terminal.until_written("confirmed")
        terminal.type(b"G")
        terminal.until_written("(END)")
        assert "No daemon answers" not in terminal.raw
        terminal.type(b"q")
        assert terminal.end() == 6
    assert "No daemon answers" in terminal.raw


def test_a_listing_that_is_terminated_takes_its_pager_along(cli: Cli, many: list[UUID]) -> None:
    terminal = Paged(cli, "history", "-n", "50", PAGER="less")
    terminal.until_written("confirmed")
    pid = terminal.process.pid
    (pager,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.end() == 143
    until(lambda: not Path(f"/proc/{pager}").exists(), what="less's end")


def test_on_a_terminal_it_is_said_that_there_are_more(cli: Cli, many: list[UUID]) -> None:
    assert "--limit all" in lines_of(cli, "history", PAGER="cat")[-1]
    assert "--limit all" not in lines_of(cli, "history", "-n", "20", PAGER="cat")[-1]
    assert cli.run("history").stderr == ""


@pytest.mark.parametrize("columns", [60, 120])
def test_a_retried_order_explained(cli: Cli, api: Shared, columns: int) -> None:
    api.sql.execute("INSERT INTO sim_faults (target, kind, remaining) VALUES ('raydium', 'hang', 1)")
    api.sql.execute("INSERT INTO sim_faults (target, kind, remaining) VALUES ('meteora', 'hang', 1)")
    try:
        assert cli.run(*BUY).returncode == 0
    finally:
        api.sql.execute("DELETE FROM sim_faults")
    terminal = Terminal(cli, "show", "last", columns=columns)
    assert terminal.end() == 0
    screen = terminal.screen
    assert screen.widest <= columns
    said = " ".join(" ".join(screen.said).split())
    assert "attempt 1 ✗ never sent: " in said and "venue_late" in said
    assert "attempt 2 ✓ landed in slot " in said
    assert " bps behind" in said and " USDC more: price +" in said
    assert "fill as quoted" in said
    assert screen.said[-1].startswith("✓ bought 1.5 SOL")
    told = cli.json("show", "last")
    assert told.items() >= cli.json("history", "--limit", "1")[0].items()
    assert [a["ended"] for a in told["explained"]["attempts"]] == ["never_sent", "landed"]
    assert told["explained"]["fill"]["againstQuoteBps"] == 0
    assert told["explained"]["totalMs"] > told["explained"]["timing"]["betweenAttempts"] > 0
    assert len(told["events"]) == told["events"][-1]["seq"] and told["swaps"][0]["state"] == "landed"


def test_an_order_in_flight_explained(cli: Cli, api: Shared) -> None:
    with frozen_worker(api):
        order = cli.placed()
        began = time.monotonic()
        done = cli.run("show", order)
        assert done.returncode == 0
        assert "waiting for a worker to take it" in done.stdout
        waiting = cli.json("show", order)["explained"]["waiting"]
        assert waiting["waitsFor"] == "worker"
        assert 0 < waiting["ms"] < (time.monotonic() - began + 5) * 1000
    api.end(order)
