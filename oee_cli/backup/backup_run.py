"""`oee backup` and `oee restore`: the engine does the work in a process of its own.

That process answers in lines of JSON; what it was killed in the middle of leaves no file and no database.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any, BinaryIO, TextIO

from oee_cli.api.client_launcher import daemon_command
from oee_cli.backup import backup_streams
from oee_cli.cli_errors import CliError, Forbidden, Refused, Unreachable, UsageFault
from oee_cli.output import Output, clean
from oee_cli.settings.settings_load import Settings, is_set, load_local_settings
from oee_cli.text.amount_text import counted
from oee_cli.text.time_text import stamp_text
from oee_daemon.contract.setting_table import BY_NAME

_OUTSIDE = "Its own tool: pg_dump --format=custom --file=orders.dump YOUR_DATABASE_URL"
_KINDS: dict[str, type[CliError]] = {
    "outside_database": UsageFault,
    "bad_setting": UsageFault,
    "bad_file": UsageFault,
    "file_exists": UsageFault,
    "not_a_backup": UsageFault,
    "backup_damaged": UsageFault,
    "home_not_fresh": Refused,
    "wallet_exists": Refused,
    "already_running": Refused,
    "backup_too_new": Unreachable,
    "database_unreachable": Unreachable,
    "home_unusable": Forbidden,
}


def backup(file: str, force: bool, wallets: bool, output: Output) -> None:
    """Writes FILE, or the same bytes to stdout once they are all there."""
    _load_local_settings("backup")
    options = [*(["--force"] if force else []), *(["--with-wallets"] if wallets else [])]
    place = backup_streams.open_backup_stream(file, write=True)
    if place is not None:
        with place:
            _check_stdout(file, place, output)
            _need_own_database(output)
            with tempfile.TemporaryDirectory(prefix="oee-") as folder:
                made = Path(folder, "backup")
                done = _run_engine(output, "backup", *options, str(made))
                with made.open("rb") as whole:
                    shutil.copyfileobj(whole, place)
        done["file"] = file
    else:
        target = str(backup_streams.whole_path(file))
        _need_own_database(output)
        done = _run_engine(output, "backup", *options, target)
    _tell_backup(file, done, output)


def restore(file: str, output: Output) -> None:
    """Makes the home's database from FILE."""
    settings = _load_local_settings("restore")
    place = backup_streams.open_backup_stream(file, write=False)
    if place is None:
        _tell_restore(settings, _run_engine(output, "restore", str(backup_streams.whole_path(file))), output)
        return
    with place, tempfile.TemporaryDirectory(prefix="oee-") as folder:
        named = "stdin" if file == "-" else file
        if place.isatty():
            raise UsageFault(
                f"{named} is a terminal: nothing was piped in.", hint="oee restore - < orders.oee"
            )
        # It is checked to its end before anything is made.
        copy = Path(folder, "backup")
        with copy.open("xb") as whole:
            shutil.copyfileobj(place, whole)
        done = _run_engine(output, "restore", str(copy), named=named)
    _tell_restore(settings, done, output)


def _load_local_settings(what: str) -> Settings:
    there = f"On the machine that the daemon runs on: oee {what} FILE"
    return load_local_settings(what, "a home", there)


def _check_stdout(file: str, place: BinaryIO, output: Output) -> None:
    if place.isatty():
        raise UsageFault("A backup is nothing to look at.", hint="oee backup - > orders.oee")
    if output.json and backup_streams.is_stdout(file):
        raise UsageFault("The backup and --json both want stdout.", hint="oee backup FILE --json")


def _need_own_database(output: Output) -> None:
    """Raises `UsageFault` where the daemon does not run the database itself."""
    from oee_cli.api.client_http import session

    own = not is_set("database_url")
    if own:
        with session(output) as client:
            own = bool(client.get("/api/status")["postgres"]["own"])
    if not own:
        raise UsageFault(
            "The orders are in a database of your own (OEE_DATABASE_URL), which `oee backup` leaves to you.",
            hint=_OUTSIDE,
            code="outside_database",
        )


def _run_engine(output: Output, *arguments: str, named: str | None = None) -> dict[str, Any]:
    """Runs the engine's part to its end. Returns its result, or raises the error that it tells."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            daemon_command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
        )
        assert process.stdout is not None
        doing = "backing up" if arguments[0] == "backup" else "restoring"
        try:
            with process.stdout as told:
                result = _read_progress(told, output, doing)
            process.wait()
        finally:
            if process.poll() is None:
                # It takes back what it has begun.
                process.terminate()
                process.wait()
        if "result" in result:
            found: dict[str, Any] = result["result"]
            return found
        log.seek(0)
        raise _engine_error(result.get("error"), log.read().decode(errors="replace"), arguments[-1], named)


def _read_progress(stream: IO[bytes], output: Output, doing: str) -> dict[str, Any]:
    """Shows the phases that the engine tells. Returns its last line."""
    last: dict[str, Any] = {}
    try:
        for line in stream:
            last = json.loads(line)
            if "phase" in last and output.erasable:
                output.draw(f"{doing}: {clean(str(last['phase']))} ●"[: output.width(sys.stderr) - 1])
    finally:
        if output.erasable:
            output.draw("")
    return last


def _engine_error(said: Any, log: str, path: str, named: str | None) -> CliError:
    if not isinstance(said, dict):
        lines = [clean(line) for line in log.splitlines() if line.strip()][-3:]
        return CliError("\n".join(["The engine ended without a word.", *(f"  {line}" for line in lines)]))
    code = str(said.get("code"))
    message = str(said.get("message"))
    kind = _KINDS.get(code, CliError)
    return kind(message.replace(path, named) if named else message, hint=said.get("hint"), code=code)


def _tell_backup(file: str, done: dict[str, Any], output: Output) -> None:
    name = "stdout" if file == "-" else clean(file)
    if output.json:
        keys = ("file", "bytes", "orders", "live", "revision", "version", "takenAt", "network", "wallets")
        output.emit({key: done[key] for key in keys})
    else:
        size, revision = _format_size(done["bytes"]), done["revision"]
        line = f"✓ backed up {counted(done['orders'], 'order')} to {name}   {size}   schema {revision}"
        if backup_streams.is_stdout(file):
            output.note(_fold(line, output, sys.stderr))
        else:
            output.say(_fold(line, output, sys.stdout))
    if done["wallets"]:
        risk = f"{name} holds secret keys: whoever reads it can spend what they guard"
        output.warn(_fold(f"  {risk}", output, sys.stderr))
    else:
        _note("without the wallets' keys: keep a copy of them, or say --with-wallets", output)
    if done.get("ledgerFile"):
        missing = f"without the simulated chain's ledger, which is in {clean(done['ledgerFile'])}"
        output.warn(_fold(f"  {missing}", output, sys.stderr))


def _tell_restore(settings: Settings, done: dict[str, Any], output: Output) -> None:
    if output.json:
        output.emit(done)
    else:
        what, taken = counted(done["orders"], "order"), stamp_text(done["takenAt"])
        line = f"✓ restored {what} into {settings.home}   taken {taken}"
        output.say(_fold(line, output, sys.stdout))
    live: dict[str, int] = done["live"]
    asked = live.get("submitted", 0)
    unsent = sum(live.values()) - asked
    if unsent:
        _note(f"{unsent:,} not sent yet when it was taken, and never sent from here: asked about", output)
    if asked:
        _note(f"{asked:,} perhaps on the chain: asked about, never sent again", output)
    network = done["network"]
    if network != (settings.network or BY_NAME["network"].default):
        _note(f"its orders are {network}'s: oee config set network {network}", output)
    if done["wallets"]:
        _note(f"with the wallet of: {', '.join(done['wallets'])}", output)
    _note("two homes have these orders now: let only one of them go on", output)
    _note("it is halted, and accepts and sends nothing until: oee resume", output)


def _fold(text: str, output: Output, stream: TextIO) -> str:
    """`text` folded between words where the terminal ends."""
    from textwrap import fill

    # A path is never cut, and three spaces between facts stay three.
    width = output.width(stream)
    return text if len(text) <= width else fill(text, width, subsequent_indent="  ", break_long_words=False)


def _note(text: str, output: Output) -> None:
    output.note(_fold(f"  {text}", output, sys.stderr))


def _format_size(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB" if count >= 1_000_000 else f"{max(1, count // 1000):,} KB"
