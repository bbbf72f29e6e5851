"""The wallet that the engine would sign with: its file, and whether it is locked."""

from __future__ import annotations

import json
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from oee_cli.doctor.checks import check_outside_servers
from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_finding import Finding, fail, info, ok, warn
from oee_cli.doctor.checks.check_home import forbid
from oee_daemon.contract import home_files
from oee_daemon.contract.real_money import KEYLESS

#: Networks of play money, on which the first start makes a key.
_PLAY = ("simulated", "localnet")


def check_wallet(facts: Facts) -> Iterator[Finding]:
    if not facts.here or facts.home_shut:
        return
    network = (facts.status or {}).get("network") or facts.text("network")
    if network in KEYLESS:
        yield ok("wallet", f"none: nothing is signed on {network}")
        return
    path = _wallet_path(facts)
    owner = _owner_of_database(facts)
    if owner is None and not facts.settings.home.exists() and not _has_to_be_there(facts):
        return
    quoted = shlex.quote(str(path))
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        content = path.read_text(errors="replace")
    except FileNotFoundError:
        if facts.status is not None and network == facts.text("network"):
            message = f"{path} is gone; put it back from a backup before a restart."
            yield fail("wallet", "wallet_gone", message)
        elif owner is not None:
            yield _other_wallet(path, owner, f"{path} is not there")
        elif _has_to_be_there(facts):
            yield fail("wallet", "wallet_missing", f"{path} is not there.", f"oee wallet new {path.stem}")
        elif (facts.settings.home / home_files.PG_VERSION).exists():
            message = f"{path} is gone, and this home has a database: put it back from a backup."
            yield warn("wallet", "wallet_gone", message)
        else:
            yield info("wallet", "wallet_missing", f"{path.name} is not there yet: the first start makes it")
        return
    except OSError as e:
        yield forbid("wallet", f"{path} can't be read: {e.strerror}.", f"ls -l {quoted}", "wallet_unreadable")
        return
    if mode & 0o077:
        message = f"{path} can be read by others (mode {mode:04o}); the daemon does not start with it."
        yield forbid("wallet", message, f"chmod 600 {quoted}", "wallet_open")
    elif owner is not None and (address := _address(content)) not in (owner, None):
        yield _other_wallet(path, owner, f"{path.name} is {address}")
    elif '"oee-wallet"' in content:
        yield from _judge_lock(facts, path)
    elif not _is_keypair(content):
        message = f"{path} is no keypair: put it back from a backup, or move it away for a new one."
        yield fail("wallet", "wallet_broken", message, f"mv {quoted} {quoted}.broken")
    else:
        yield ok("wallet", f"{path.name}, readable by you alone")


def _has_to_be_there(facts: Facts) -> bool:
    """Whether a daemon that starts with these settings makes no key by itself."""
    return bool(facts.text("wallet")) or facts.text("network") not in (*_PLAY, *KEYLESS)


def _owner_of_database(facts: Facts) -> str | None:
    """The wallet of the engine that has worked on an outside database, which a start asks for; `None` where
    a daemon runs, where nobody has worked on it, or where it says nothing."""
    url = facts.text("database_url")
    return check_outside_servers.ask_postgres(url).wallet if facts.away and url else None


def _other_wallet(path: Path, owner: str, here: str) -> Finding:
    message = (
        f"The database belongs to an engine whose wallet is {owner}, and {here}: the daemon does not start."
        f" Copy wallets/{path.name} from the home that has worked on it, or name another database."
    )
    return fail("wallet", "other_engine", message, "oee config show --origin")


def _address(content: str) -> str | None:
    """Of a keypair, or as a sealed one tells it; `None` where it can't be read."""
    from solders.pubkey import Pubkey

    try:
        read = json.loads(content)
        return str(read["address"]) if isinstance(read, dict) else str(Pubkey(bytes(read)[32:]))
    except (KeyError, ValueError, TypeError):
        return None


def _wallet_path(facts: Facts) -> Path:
    given = facts.text("wallet") or facts.text("network") or ""
    return Path(given) if "/" in given else facts.settings.home / home_files.WALLET.format(given)


def _judge_lock(facts: Facts, path: Path) -> Iterator[Finding]:
    """Of a sealed wallet: whether the daemon that runs can sign."""
    held = (facts.status or {}).get("wallet") or {}
    if held.get("locked"):
        message = f"{path.name} is locked, so orders are refused: {held.get('reason')}."
        yield warn("wallet", "wallet_locked", message, "oee wallet unlock")
    else:
        yield ok("wallet", f"{path.name}, sealed by a passphrase{', unlocked' if held else ''}")


def _is_keypair(content: str) -> bool:
    try:
        numbers = json.loads(content)
        return len(bytes(numbers)) == 64
    except (ValueError, TypeError):
        return False
