"""What `oee halt` and `oee resume` do.

A halt of a home on this machine begins with a file in it, so that it holds whatever becomes of the daemon;
then the daemon is asked, and where anything but a yes comes, it and its worker are killed.
"""

from __future__ import annotations

import getpass
import os
import platform
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from oee_cli.api.client_http import Client, session
from oee_cli.cli_errors import CliError, ConnectionLost, Forbidden, Unreachable, UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.halt import halt_hung_engine
from oee_cli.output import Output, clean
from oee_cli.settings.settings_in_force import database_before
from oee_cli.settings.settings_load import Settings, is_set, load_settings
from oee_daemon.contract.addresses import OWN
from oee_daemon.contract.atomic_file import write_remedy
from oee_daemon.contract.halt_mark import MOST_TEXT, Mark, path_of, write

#: Seconds for the daemon's answer: it waits for its workers, and for a database that is slow.
_ANSWER_S = 15.0
#: Swaps that are told of in full.
_SHOWN = 20


def halt_engine(reason: str | None, output: Output) -> ExitCode:
    if reason is not None and len(reason) > MOST_TEXT:
        raise UsageFault(f"--reason may have {MOST_TEXT} characters.")
    settings = load_settings()
    asked = {"reason": reason, "by": _whoever_asks()}
    with closing(Client(settings, output)) as client:
        if settings.url is not None:
            return _tell(client.read("POST", "/api/halt", json=asked), output)
        # That of the daemon that works, hangs or died here, which may not be what the settings say by now.
        network = str(client.launcher.running().get("network") or settings.network)
        at = datetime.now(UTC).isoformat()
        _write_mark(settings, Mark(networks=(network,), at=at, **asked))
        why = halt_hung_engine.what_keeps(client.launcher)
        if why is None:
            done = _ask(client, asked | {"mark": at})
            if not isinstance(done, str):
                return _tell(done, output)
            why = done
        return _end_hung(client, output, why)


def _whoever_asks() -> str:
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        account = str(os.geteuid())
    return f"{account}@{platform.node()}"


def _write_mark(settings: Settings, mark: Mark) -> None:
    try:
        write(settings.home, mark)
    except FileNotFoundError:
        raise Unreachable(
            f"There is no engine in {settings.home}.",
            hint="Say where it is: OEE_HOME=… oee halt, or OEE_URL=… for one elsewhere.",
            code="no_engine",
        ) from None
    except PermissionError:
        raise Forbidden(f"{settings.home} can't be written to by this account.") from None
    except OSError as e:
        raise CliError(
            f"{path_of(settings.home)} can't be written: {e.strerror}.", hint=write_remedy(e, "") or None
        ) from None


def _ask(client: Client, asked: dict[str, str | None]) -> dict[str, Any] | str:
    """What the daemon's halt came to; where it did not say so, what it did, as `what_keeps`."""
    try:
        done: dict[str, Any] = client.ask("POST", "/api/halt", json=asked, timeout=_ANSWER_S)
    except ConnectionLost:
        return halt_hung_engine.SILENT
    except CliError as e:
        return f"could not halt the engine ({clean(e.message)})"
    return done


def _tell(done: dict[str, Any], output: Output) -> ExitCode:
    if output.json:
        output.emit(done)
    else:
        output.say("✓ halted: nothing is accepted, signed or sent until `oee resume`")
        swaps = done["mayLand"]
        if swaps:
            noun = "swap was" if len(swaps) == 1 else "swaps were"
            output.say(
                f"  {len(swaps):,} {noun} sent before and may still land; the chain goes on being asked:"
            )
        for swap in swaps[:_SHOWN]:
            output.say(clean(f"  {swap['orderId'][:8]}  {swap['signature']}"))
        if len(swaps) > _SHOWN:
            output.say(f"  and {len(swaps) - _SHOWN:,} more: oee history --status submitted")
    if done["workerKilled"]:
        output.note("  the worker did not say that it was quiet, and was killed; another one took its place")
    if not done["unanswered"]:
        return ExitCode.DONE
    for worker in done["unanswered"]:
        output.sentence("✗", clean(f"not known of worker {worker['worker']}, seen {worker['seenS']:g} s ago"))
    output.sentence(
        "✗",
        "These have not said that they send nothing: each is dead, or frozen, and may then send what it had"
        " when it wakes.",
        "On its host: kill -9 its process. It stores nothing new in any case.",
    )
    return ExitCode.UNREACHABLE


def _end_hung(client: Client, output: Output, why: str) -> ExitCode:
    """The daemon is not there, or has not said yes: the file is, and keeps the next one halted."""
    home = client.settings.home
    was_there = client.launcher.held()
    killed = halt_hung_engine.end_engine(client.launcher) if was_there else []
    if killed is None:
        raise Unreachable(
            f"The daemon of {home} {why}, and its process can't be seen from here.",
            hint="It is halted once it looks at the home. To be sure, where it runs: kill -9 it.",
            code="halt_unknown",
        )
    outside = is_set("database_url") or database_before(home) not in (OWN, None)
    if output.json:
        output.emit({"halt": None, "killed": killed, "daemon": False, "elsewhereUnknown": outside})
    else:
        what = f"the daemon {why} and was killed" if was_there else "the daemon does not run"
        output.say(f"✓ halted here: {what}; it starts halted, until `oee resume`")
        output.note("  what was sent before may still land; once it runs: oee history --status submitted")
    if not outside:
        return ExitCode.DONE
    output.sentence(
        "✗",
        "The database is outside, and could not be told: workers on other hosts go on until a daemon has.",
        "On any host with a living daemon of this engine: oee halt. Or here: oee daemon start",
    )
    return ExitCode.UNREACHABLE


def resume_engine(yes: bool, output: Output) -> ExitCode:
    with session(output, places=True) as client:
        halt = client.get("/api/halt")["halt"]
        if halt is not None and not yes and not _ask_person(halt, output):
            output.sentence("✗", "It stays halted.")
            return ExitCode.STOPPED
        done = client.read("POST", "/api/resume", headers=client.protection)
    output.answer(done, "✓ resumed" if done["ended"] or halt else "it was not halted")
    return ExitCode.DONE


def _ask_person(halt: dict[str, Any], output: Output) -> bool:
    """Asks. Raises `UsageFault` where nobody is there to answer."""
    if not output.can_ask:
        raise UsageFault("Nobody is at a terminal to be asked.", hint="oee resume --yes")
    from oee_cli.text.time_text import minute_text

    why = f": {halt['reason']}" if halt["reason"] else ""
    by = f" by {halt['by']}" if halt["by"] else ""
    output.warn(clean(f"Halted since {minute_text(halt['since'])}{by}{why}"))
    return output.ask("Orders that are due go on at once. Resume? [y/N]").lower() in ("y", "yes")
