"""Wallets as a person has them: made, imported, locked and unlocked, with no key where it does not belong."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from solders.keypair import Keypair

from tests.kit.commands import BUY, QUICK, Cli
from tests.kit.daemons import Daemon, until
from tests.kit.homes import furnished
from tests.kit.terminal import Terminal, shows

PASSPHRASE = "canary-Passphrase-7f31c0"
CANARY = Keypair.from_seed(bytes(range(100, 132)))
ADDRESS = str(CANARY.pubkey())
#: As what the key or the passphrase could be found.
FORMS = [
    PASSPHRASE.encode(),
    bytes(CANARY)[:32],
    bytes(CANARY)[:32].hex().encode(),
    str(CANARY).encode(),
    base64.b64encode(bytes(CANARY)[:32])[:40],
    json.dumps(list(bytes(CANARY)[:32]))[1:-1].encode(),
]


def _secret(path: Path, text: str = PASSPHRASE) -> str:
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def alone(tmp_path: Path) -> Cli:
    """A home in which no daemon ever ran."""
    return Cli(tmp_path / "h", XDG_CONFIG_HOME=str(tmp_path / "config"))


def test_a_networks_own_wallet_needs_no_choice(alone: Cli) -> None:
    made = alone.run("wallet", "new", "mainnet", "--no-passphrase").stderr
    assert "It signs once the network is mainnet" in made and "oee config set network mainnet" in made
    assert "wallet default" not in made
    other = alone.run("wallet", "new", "devnet", "--no-passphrase", OEE_WALLET="trading").stderr
    assert "wallet default devnet" in other
    assert "wallet default trading" in alone.run("wallet", "new", "trading", "--no-passphrase").stderr


def test_a_wallet_is_made_shown_and_removed_without_a_daemon(alone: Cli, tmp_path: Path) -> None:
    file = _secret(tmp_path / "p")
    made = alone.run("wallet", "new", "main", "--passphrase-file", file, "--json")
    told = json.loads(made.stdout)
    assert (made.returncode, told["kind"], told["default"]) == (0, "sealed", False)
    where = Path(told["file"])
    assert where.stat().st_mode & 0o777 == 0o600 and where.parent.stat().st_mode & 0o077 == 0
    plain = alone.run("wallet", "import", "-", "plain", "--no-passphrase", stdin=CANARY.to_json())
    assert plain.returncode == 0 and ADDRESS in plain.stdout and "whoever reads it can spend" in plain.stderr
    listed = json.loads(alone.run("wallet", "list", "--json").stdout)
    assert [(row["name"], row["kind"], row["locked"]) for row in listed] == [
        ("main", "sealed", True), ("plain", "plain", False),
    ]  # fmt: skip
    assert alone.run("wallet", "default", "plain").returncode == 0
    shown = alone.run("wallet", "show")
    assert ADDRESS in shown.stdout and "never: its file is the key" in shown.stdout
    assert (alone.run("wallet", "lock").returncode, alone.run("wallet", "remove", "main").returncode) == (
        0,
        2,
    )
    assert where.exists()
    # The network's own is no setting: on another network, or in another home, it would be missed.
    assert alone.run("wallet", "new", "simulated", "--no-passphrase").returncode == 0
    assert alone.run("config", "get", "wallet").stdout == "plain\n"
    assert alone.run("wallet", "default", "simulated").returncode == 0
    assert alone.run("config", "get", "wallet").stdout == "\n"
    assert alone.run("wallet", "show", "--json").stdout.count('"name":"simulated"') == 1
    assert alone.run("wallet", "remove", "main", "--yes").returncode == 0
    assert not where.exists() and not (alone.home / "run").exists()


#: What is typed, what comes on stdin, the exit code, the error's code, and a part of what is said.
REFUSED = [
    ("new", "", 2, "no_terminal", "this is none"),
    ("import -", str(CANARY), 2, "no_terminal", "this is none"),
    ("new Main --no-passphrase", "", 2, "usage", "small letters"),
    ("new x --passphrase-file {gone}", "", 4, "passphrase_file", "There is no passphrase at"),
    (
        "new x --passphrase-file {open}",
        "",
        4,
        "passphrase_file",
        "can be read by others. Close it: chmod 600",
    ),
    ("new x --passphrase-file {short}", "", 2, "bad_passphrase", "fewer than 8 characters"),
    ("new x --passphrase-file {short} --no-passphrase", "", 2, "usage", "Both"),
    ("import - x --no-passphrase", "", 2, "bad_key", "nothing came"),
    ("import - x --no-passphrase", "<html>404</html>", 2, "bad_key", "base58 does not have"),
    ("import - x --no-passphrase", "[1,2,3]", 2, "bad_key", "it has 3 bytes"),
    ("import - x --no-passphrase", "x" * 9000, 2, "bad_key", "more than 8192 bytes"),
    (f"import {CANARY}", "", 2, "key_in_arguments", "it is now in this shell's history"),
    ("import {short}", "", 2, "usage", "The key comes on stdin"),
    ("show nowhere", "", 4, "key_file", "There is no key at"),
    ("remove nowhere --yes", "", 2, "no_wallet", "There is no wallet nowhere"),
    ("default nowhere", "", 4, "key_file", "There is no key at"),
    ("new taken --no-passphrase", "", 3, "wallet_exists", "no key is ever overwritten"),
]


def test_what_is_refused_says_why_and_makes_nothing(alone: Cli, tmp_path: Path) -> None:
    places = {"gone": str(tmp_path / "gone"), "short": _secret(tmp_path / "short", "short")}
    places["open"] = _secret(tmp_path / "open")
    (tmp_path / "open").chmod(0o644)
    assert alone.run("wallet", "new", "taken", "--no-passphrase").returncode == 0
    before = (alone.home / "wallets" / "taken.json").read_bytes()
    for typed, stdin, code, name, said in REFUSED:
        done = alone.run("wallet", *typed.format(**places).split(), "--json", stdin=stdin)
        told = f"{typed}: {done.stdout}{done.stderr}"
        assert done.returncode == code and said in done.stderr, told
        assert json.loads(done.stdout)["error"]["code"] == name, told
        assert str(CANARY) not in told.removeprefix(typed), told
    assert [p.name for p in (alone.home / "wallets").iterdir()] == ["taken.json"]
    assert (alone.home / "wallets" / "taken.json").read_bytes() == before


def test_a_passphrase_is_asked_for_twice_and_not_shown(alone: Cli) -> None:
    for again, code in ((b"something else\n", 2), (f"{PASSPHRASE}\n".encode(), 0)):
        terminal = Terminal(alone, "wallet", "new", "typed")
        terminal.until(shows("passphrase for the new wallet"))
        terminal.type(f"{PASSPHRASE}\n".encode())
        terminal.until(shows("the same again"))
        terminal.type(again)
        assert terminal.end() == code
        assert PASSPHRASE not in terminal.raw
        assert (alone.home / "wallets").exists() is (code == 0)


@pytest.fixture
def own(homes: Path) -> Iterator[Cli]:
    """A home with servers of its own, and the canary as its sealed wallet."""
    made = Cli(furnished(homes / "h"), **(QUICK | {"OEE_SIM_CONFIRM_MS": "2500"}))
    sealed = made.run("wallet", "import", "-", "--passphrase-file", _secret(homes / "p"), stdin=str(CANARY))
    assert sealed.returncode == 0, sealed.stderr
    yield made
    made.run("daemon", "stop")


#: What is put in the place of the key or of the passphrase's file, and what the start says of it.
BROKEN = {
    "open to others": (0o644, None, "can be read by others. Close it: chmod 600"),
    "cut off": (0o600, 200, "is no sealed key: it is cut off or altered"),
    "empty": (0o600, 0, "is no keypair"),
}


def test_no_daemon_starts_with_a_broken_key_and_nothing_is_sent(own: Cli) -> None:
    file = own.home / "wallets" / "simulated.json"
    content = file.read_bytes()
    for what, (mode, length, said) in BROKEN.items():
        file.write_bytes(content[:length])
        file.chmod(mode)
        shown = own.run("wallet", "show", "--json")
        assert (shown.returncode, json.loads(shown.stdout)["error"]["code"]) == (4, "key_file"), what
        assert said in shown.stderr, what
        done = own.run(*BUY)
        assert done.returncode == 6 and said in done.stderr and "confirmed" not in done.stderr, what
    file.write_bytes(content)
    file.chmod(0o600)
    assert json.loads(own.run("history", "--json").stdout) == []
    assert json.loads(own.run("fills", "--json").stdout) == []


def test_a_passphrase_file_opens_it_at_each_start_or_says_why_not(own: Cli, homes: Path) -> None:
    file = homes / "p"
    by_file = {"OEE_WALLET_PASSPHRASE_FILE": str(file)}
    file.chmod(0o644)
    done = own.run(*BUY, **by_file)
    assert done.returncode == 6 and "can be read by others. Close it: chmod 600" in done.stderr
    _secret(file, "another passphrase")
    done = own.run(*BUY, **by_file)
    assert done.returncode == 4 and "OEE_WALLET_PASSPHRASE_FILE does not open it" in done.stderr
    _secret(file)
    assert own.run("daemon", "restart", **by_file).returncode == 0
    assert json.loads(own.run("history", "--json").stdout) == []
    assert own.run(*BUY).returncode == 0
    status = json.loads(own.run("daemon", "status", "--json").stdout)
    os.kill(status["worker"]["pid"], signal.SIGKILL)
    assert own.run(*BUY).returncode == 0
    # But for whoever has locked it: then it takes a person, or a start of the daemon.
    assert own.run("wallet", "lock").returncode == 0
    killed = json.loads(own.run("daemon", "status", "--json").stdout)["worker"]["pid"]
    os.kill(killed, signal.SIGKILL)
    until(
        lambda: (
            json.loads(own.run("daemon", "status", "--json").stdout)["worker"]["pid"] not in (None, killed)
        )
    )
    done = own.run(*BUY)
    assert done.returncode == 4 and "it was locked by" in done.stderr
    assert own.run("wallet", "unlock", "--passphrase-file", str(file)).returncode == 0
    assert own.run(*BUY).returncode == 0


def test_a_frozen_worker_is_ended_before_its_wallet_is_said_to_be_locked(own: Cli, homes: Path) -> None:
    """It had the key when it woke up, and signed what was due."""
    assert own.run("daemon", "start").returncode == 0
    assert own.run("wallet", "unlock", "--passphrase-file", _secret(homes / "p")).returncode == 0
    worker = json.loads(own.run("daemon", "status", "--json").stdout)["worker"]["pid"]
    os.kill(worker, signal.SIGSTOP)
    try:
        done = own.run("wallet", "lock")
        assert done.returncode == 0 and done.stdout.startswith("✓ locked"), done.stderr
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file():
                yield str(path), path.read_bytes()


def _processes() -> Iterator[tuple[str, bytes]]:
    me = str(os.getpid())
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != me:
            for part in ("cmdline", "environ"):
                with suppress(OSError):
                    yield f"{entry.name} {part}", (entry / part).read_bytes()


def test_a_canary_is_in_no_file_argument_variable_log_or_answer(own: Cli, homes: Path) -> None:
    file = str(homes / "p")
    said: list[bytes] = []

    def run(*arguments: str, code: int = 0) -> str:
        done = own.run(*arguments, OEE_DEBUG="1", OEE_LOG_LEVEL="debug")
        said.append((done.stdout + done.stderr).encode())
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    # What is looked at further down: a forked daemon has no arguments or variables of its own.
    assert own.fresh("daemon", "start", OEE_LOG_LEVEL="debug").returncode == 0
    # Locked: refused, and nothing stored.
    assert "nobody has unlocked it since the daemon started" in run(*BUY, code=4)
    assert json.loads(run("history", "--json")) == []
    wrong = _secret(homes / "wrong", "another passphrase")
    assert "does not open" in run("wallet", "unlock", "--passphrase-file", wrong, code=4)
    assert "unlocked until" in run("wallet", "unlock", "--for", "8h", "--passphrase-file", file)
    with Daemon(own.home).tcp() as tcp:
        refused = tcp.post("/api/wallet/unlock", json={"passphrase": PASSPHRASE})
        assert (refused.status_code, refused.json()["code"]) == (403, "socket_only")
    # One that is sent goes on without its key, and needs its wallet's file.
    run(*BUY, "--detach")
    until(lambda: json.loads(own.run("show", "last", "--json").stdout)["status"] == "submitted")
    # By a command that does not take as long as the order.
    assert "1 order has not ended" in own.run("wallet", "remove", "simulated", "--yes").stderr
    run("wallet", "lock")
    assert "it was locked by" in run(*BUY, code=4)
    assert "confirmed" in run("watch", "last")
    # A worker that dies takes the key with it.
    run("wallet", "unlock", "--passphrase-file", file)
    status = json.loads(run("daemon", "status", "--json"))
    pids = (status["worker"]["pid"], status["pid"])
    limits = [Path(f"/proc/{pid}/limits").read_text() for pid in pids]
    # The worker, which has the key, may not even raise it again.
    cores = [line.split()[4:6] for text in limits for line in text.splitlines() if "core file" in line]
    assert cores[0] == ["0", "0"] and cores[1][0] == "0"
    found = [name for name, content in _processes() if any(form in content for form in FORMS)]
    os.kill(pids[0], signal.SIGKILL)
    until(lambda: json.loads(own.run("wallet", "show", "--json").stdout)["locked"])
    assert "the worker that had its key ended at" in run(*BUY, code=4)
    assert "oee wallet unlock" in run("daemon", "status")
    # Until the next worker is there, that is a fault of its own.
    until(lambda: own.run("doctor", "--json").returncode == 0)
    assert "wallet_locked" in run("doctor", "--json", code=0)
    # And after all that it is nowhere.
    found += [name for name, content in _files(own.home) if any(form in content for form in FORMS)]
    found += [text.decode() for text in said if any(form in text for form in FORMS)]
    assert found == []
    assert any(PASSPHRASE.encode() in content for _, content in _files(homes))
