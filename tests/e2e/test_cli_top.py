"""`oee top` on a real pseudo-terminal: what it shows, and that the terminal is as it was whatever ends it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from oee_daemon.contract.protocol import PROTOCOL
from tests.kit.api_daemon import Shared
from tests.kit.commands import OEE, Cli, faults
from tests.kit.daemons import until
from tests.kit.terminal import CTRL_C, CTRL_Z, NOTHING, Environ, Screen, Terminal, shows

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
SHOW_CURSOR = "\x1b[?25h"
QUICK = ("--interval", "200ms")


class Full(Screen):
    """The other screen, too: rows that are written to by their place."""

    folding = True

    def _control(self, numbers: str, letter: str) -> None:
        if letter == "H":
            self.row = int(numbers.partition(";")[0]) - 1
            self.column = 0
            self.lines += [""] * (self.row + 1 - len(self.lines))
        elif letter == "J":
            assert numbers == "2"
            self.lines, self.row, self.widest = [""], 0, 0
        elif letter in "hl" and numbers == "?7":
            self.folding = letter == "h"
        elif letter in "hl" and numbers == "?1049":
            self.lines, self.row, self.column = [""], 0, 0
        else:
            super()._control(numbers, letter)


class Top(Terminal):
    """`oee top`, or another full screen, in a terminal of its own, as far as its first frame."""

    def __init__(
        self,
        cli: Cli,
        *arguments: str,
        columns: int = 80,
        rows: int = 24,
        environ: Environ = NOTHING,
        command: Sequence[str] = ("top", *QUICK),
    ) -> None:
        super().__init__(cli, *command, *arguments, columns=columns, environ=environ)
        self.screen: Full = Full()
        self.resize(columns, rows)
        self.until(shows("q quit"))

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def left(self) -> int:
        """The exit code, once everything was put back."""
        deadline = time.monotonic() + 20
        while self._read(deadline):
            pass
        after = termios.tcgetattr(self.master)
        os.close(self.master)
        code = self.process.wait(20)
        assert self.raw.count(ENTER) == self.raw.count(LEAVE) >= 1
        # Nothing after the way back, and the cursor with it.
        assert self.raw.rstrip().endswith(SHOW_CURSOR + LEAVE)
        assert not self.screen.cursor_hidden and self.screen.folding
        assert after == self.before
        return code


def test_orders_are_seen_from_their_step_to_their_fill(cli: Cli, api: Shared) -> None:
    top = Top(cli, columns=120, rows=40)
    assert top.screen.cursor_hidden
    assert not termios.tcgetattr(top.master)[3] & (termios.ECHO | termios.ICANON)
    with faults(api, ("chain", "mute")):
        order_id = api.place()
        top.until(lambda s: any(order_id[:8] in line and "submitted" in line for line in s.said))
        top.until(shows("1 running of 10"))
        (line,) = (line for line in top.screen.said if order_id[:8] in line)
        assert re.search(r"sell\s+SOL/USDC\s+1.5 SOL\s+submitted\s+[\d.]+ m?s", line)
    api.end(order_id)
    top.until(lambda s: any(order_id[:8] in line and "✓" in line and "USDC" in line for line in s.said))
    said = "\n".join(top.screen.said)
    for what in ("meteora", "raydium", "answered in 5 min", "threads", "/s ended", "in flight", "due"):
        assert what in said
    assert top.screen.widest <= 120 and top.screen.colored
    top.type(b"q")
    assert top.left() == 0


def test_a_failed_order_says_why(cli: Cli, api: Shared) -> None:
    top = Top(cli, columns=60, rows=12)
    with faults(api, ("raydium", "refuse"), ("meteora", "refuse")):
        order_id = api.place()
        top.until(lambda s: any(order_id[:8] in line and "no_route" in line for line in s.said))
    assert top.screen.widest <= 60
    top.type(b"Q")
    assert top.left() == 0


ENDS: dict[str, tuple[Callable[[Top], None], int]] = {
    "ctrl-c": (lambda top: top.type(CTRL_C), 130),
    "SIGINT": (lambda top: top.process.send_signal(signal.SIGINT), 130),
    "SIGTERM": (lambda top: top.process.send_signal(signal.SIGTERM), 143),
    "SIGHUP": (lambda top: top.process.send_signal(signal.SIGHUP), -signal.SIGHUP),
    "SIGQUIT": (lambda top: top.process.send_signal(signal.SIGQUIT), -signal.SIGQUIT),
}


@pytest.mark.parametrize(("end", "code"), ENDS.values(), ids=ENDS)
def test_signals_leave_the_terminal_as_it_was(cli: Cli, end: Callable[[Top], None], code: int) -> None:
    top = Top(cli)
    end(top)
    assert top.left() == code


def test_ctrl_s_does_not_stop_it(cli: Cli) -> None:
    top = Top(cli)
    top.type(b"\x13s")
    top.until(shows("s oldest order first"))
    top.process.send_signal(signal.SIGTERM)
    assert top.left() == 143


def test_a_terminal_that_goes_away_ends_it(cli: Cli) -> None:
    top = Top(cli)
    os.close(top.master)
    assert top.process.wait(10) in (-signal.SIGHUP, 141)


def test_ctrl_z_gives_the_terminal_back_until_it_comes_to_the_front_again(cli: Cli) -> None:
    command = " ".join([*OEE, "top", *QUICK])
    script = f"set -m; {command}; echo STOPPED $?; stty -a | tr ';' '\\n'; fg >/dev/null; echo ENDED $?"
    shell = Terminal.of_shell(cli, script, Full())
    try:
        shell.until(shows("q quit"))
        shell.type(CTRL_Z)
        # Drawn anew, on the other screen again, which hides what the shell said: one read may bring both.
        shell.until(lambda _: shell.raw.count(ENTER) == 2)
        shell.until(shows("q quit"))
        shell.type(b"q")
        assert shell.end() == 0
    finally:
        shell.process.kill()
        shell.process.wait()
    assert "STOPPED 148" in shell.raw
    between = shell.raw[shell.raw.index(LEAVE) : shell.raw.rindex(ENTER)]
    assert re.search(r"(?<!-)icanon", between) and re.search(r"(?<!-)\becho\b", between)
    assert "ENDED 0" in shell.raw and shell.raw.count(LEAVE) == 2


def test_a_fault_is_told_on_the_screen_that_was_before(cli: Cli) -> None:
    """Something else answers, with nothing in it."""
    with answering({}) as url:
        top = Terminal(cli, "top", OEE_URL=url, OEE_TOKEN="t")
        top.screen = Full()
        before = termios.tcgetattr(top.master)
        top.until(shows("A fault of ours"))
        assert termios.tcgetattr(top.master) == before
        assert top.end() == 1
    assert ENTER in top.raw and "A fault of ours" in top.raw[top.raw.index(LEAVE) :]
    assert not top.screen.cursor_hidden


@contextmanager
def answering(body: dict[str, Any]) -> Iterator[str]:
    """A server that says the same to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("OEE-Protocol", str(PROTOCOL))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_it_follows_the_terminals_size_and_its_keys(cli: Cli, api: Shared) -> None:
    for _ in range(12):
        last = api.place()
    api.end(last)
    top = Top(cli, columns=120, rows=40)
    top.until(lambda s: sum("✓" in line for line in s.said) >= 12)
    top.resize(60, 10)
    top.until(lambda s: bool(s.said) and "q quit" in s.said[-1] and len(s.lines) == 10)
    assert 0 < top.screen.widest <= 60
    top.type(b"s")
    top.until(shows("s oldest order first"))
    top.type(b"p")
    top.until(shows("paused"))
    top.until(shows("p go on"))
    top.type(b"p")
    top.until(shows("every 0.2 s"))
    # An arrow is no key of ours, whatever letters it has.
    top.type(b"\x1b[A")
    top.resize(40, 3)
    top.until(lambda s: len(s.lines) <= 3 and bool(s.said))
    top.type(b"q")
    assert top.left() == 0


@pytest.mark.parametrize(
    "environ",
    [{"NO_COLOR": "1"}, {"PYTHONIOENCODING": "ascii"}],
    ids=["NO_COLOR", "no UTF-8"],
)
def test_colors_and_signs_only_where_they_are_wanted(cli: Cli, api: Shared, environ: dict[str, str]) -> None:
    api.end(api.place())
    top = Top(cli, columns=60, environ=environ)
    top.until(lambda s: any(" ok " in line or " ✓ " in line for line in s.said))
    top.type(b"q")
    assert top.left() == 0
    if "NO_COLOR" in environ:
        assert not re.search(r"\x1b\[[\d;]*3\dm", top.raw) and "✓" in top.raw
    else:
        assert top.raw.isascii() and top.screen.widest <= 60


def test_without_a_terminal_it_takes_one_look_or_says_how(cli: Cli, api: Shared) -> None:
    order_id = api.place()
    api.end(order_id)
    done = cli.run("top")
    assert (done.returncode, done.stdout) == (2, "")
    assert "oee top --once" in done.stderr and "oee top --json" in done.stderr
    done = cli.run("top", "--once")
    assert (done.returncode, done.stderr) == (0, "") and "\x1b" not in done.stdout
    assert order_id[:8] in done.stdout and "q quit" not in done.stdout
    narrow = cli.run("top", "--once", COLUMNS="60").stdout
    assert order_id[:8] in narrow and max(map(len, narrow.splitlines())) <= 60
    seen = cli.json("top")
    assert seen["ended"][0]["orderId"] == order_id
    # What was removed or rolled back since has used up its number.
    assert seen["orders"]["accepted"] >= api.stored()
    assert seen["workers"][0]["threads"] == 10
    for wrong in ("0", "2h", "often"):
        done = cli.run("top", "--once", "--interval", wrong)
        assert done.returncode == 2 and "--interval" in done.stderr
    done = cli.run("top", "--once", OEE_HOME=str(cli.home) + "-none")
    assert done.returncode == 6 and "oee daemon start" in done.stderr
    terminal = Terminal(cli, "top", TERM="dumb")
    assert terminal.end() == 2 and "\x1b" not in terminal.raw


def test_another_worker_is_seen_while_it_is_there(cli: Cli, api: Shared) -> None:
    def pids() -> set[int]:
        return {worker["pid"] for worker in api.http.get("/api/engine").json()["workers"]}

    own = api.http.get("/api/status").json()["worker"]["pid"]
    environ = cli.environ | {n: v for n, v in api.daemon.environ.items() if n.startswith("OEE_")}
    environ["OEE_HOME"] = str(cli.home) + "-worker"
    shutil.copytree(api.daemon.home / "wallets", Path(environ["OEE_HOME"]) / "wallets")
    worker = subprocess.Popen(
        [sys.executable, "-m", "oee_daemon", "worker"], env=environ, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: pids() == {own, worker.pid}, what="the second worker")
        status = cli.run("daemon", "status").stdout
        told = [line for line in status.splitlines() if " threads " in line]
        assert [f"pid {pid} " in line for pid, line in zip((own, worker.pid), told, strict=True)] == [
            True
        ] * 2
        assert "oee_workers 2\n" in api.http.get("/metrics").text
    finally:
        worker.terminate()
        worker.wait(20)
    # It said good-bye.
    assert pids() == {own}
    status = cli.run("daemon", "status").stdout
    assert re.search(r"^worker     10 threads   0 running$", status, re.MULTILINE)


def test_it_outlives_the_daemon_and_never_starts_one(cli: Cli, api: Shared) -> None:
    """The last one here: it takes the daemon away from the others for a while."""
    top = Top(cli, columns=60, environ={"OEE_NO_AUTOSTART": ""})
    pid = api.daemon.facts["pid"]
    api.daemon.kill()
    top.until(shows("the daemon does not answer, for 1."))
    assert top.screen.widest <= 60
    assert api.daemon.facts["pid"] == pid
    api.daemon.start()
    top.until(lambda s: bool(s.said) and "q quit" in s.said[-1] and not shows("does not answer")(s))
    order_id = api.place()
    top.until(shows(order_id[:8]))
    top.type(b"q")
    assert top.left() == 0
