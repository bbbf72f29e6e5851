"""The wallet that the engine would sign with: its file, and whether it is locked."""

from __future__ import annotations

import json
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_finding import Finding, fail, info, ok, warn
from oee_cli.doctor.checks.check_home import forbid
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
    if not facts.settings.home.exists() and not _has_to_be_there(facts):
        return
    quoted = shlex.quote(str(path))
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        content = path.read_text(errors="replace")
    except FileNotFoundError:
        if facts.status is not None and network == facts.text("network"):
            yield fail(
                "wallet",
                "wallet_gone",
                f"{path} is gone; put it back from a backup before a restart.",
            )
        elif _has_to_be_there(facts):
            yield fail("wallet", "wallet_missing", f"{path} is not there.", f"oee wallet new {path.stem}")
        else:
            yield info("wallet", "wallet_missing", f"{path.name} is not there yet: the first start makes it")
        return
    except OSError as e:
        yield forbid("wallet", f"{path} can't be read: {e.strerror}.", f"ls -l {quoted}", "wallet_unreadable")
        return
    if mode & 0o077:
        message = f"{path} can be read by others (mode {mode:04o}); the daemon does not start with it."
        yield forbid("wallet", message, f"chmod 600 {quoted}", "wallet_open")
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


def _wallet_path(facts: Facts) -> Path:
    given = facts.text("wallet") or facts.text("network") or ""
    return Path(given) if "/" in given else facts.settings.home / "wallets" / f"{given}.json"


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
