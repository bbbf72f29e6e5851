"""`oee daemon …` and `oee worker`: the engine as a process.

`run` and `worker` become the engine itself, so that a service manager sees one process and its signals.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from oee_cli.api.client_launcher import Launcher, daemon_command
from oee_cli.api.client_loosened import say_loosened
from oee_cli.api.client_processes import explain_frozen
from oee_cli.cli_errors import CliError, ConnectionLost, Forbidden, Unreachable
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output
from oee_cli.settings.settings_load import Settings, load_local_settings, load_settings
from oee_cli.text.order_text import name_process

#: Between two looks at a log that is followed, seconds.
_LOOK = 0.2


def become_engine(*arguments: str) -> NoReturn:
    """Replaces this process by the engine's."""
    sys.stdout.flush()
    command = daemon_command(*arguments)
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted


def run_daemon(*, switch: bool) -> NoReturn:
    """Replaces this process by the daemon, unless the home has one. Raises `Unreachable`."""
    settings = _local_settings("run")
    pid = Launcher(settings, Output()).holder()
    if pid is not None:
        raise Unreachable(
            f"A daemon already runs on {settings.home}, {name_process(pid, 'as process')}.",
            hint="See: oee daemon status",
            code="already_running",
        )
    become_engine("run", *_switch_arguments(switch))


def start_daemon(output: Output, *, switch: bool) -> None:
    settings = _local_settings("start")
    # Asked for in so many words: the setting forbids only what happens on the way.
    launcher = Launcher(Settings(home=settings.home, network=settings.network), output)
    launcher.arguments = _switch_arguments(switch)
    started = launcher.start()
    _report_running(output, launcher, "started" if started else "already running")
    if started:
        say_loosened(output, launcher.running())


def stop_daemon(output: Output) -> None:
    launcher = Launcher(_local_settings("stop"), output)
    stopped = launcher.stop()
    output.answer(
        {"running": False, "stopped": stopped}, "✓ stopped" if stopped else "the daemon was not running"
    )


def restart_daemon(output: Output, *, switch: bool) -> None:
    settings = _local_settings("restart")
    launcher = Launcher(Settings(home=settings.home, network=settings.network), output)
    launcher.arguments = _switch_arguments(switch)
    launcher.restart()
    _report_running(output, launcher, "restarted")
    say_loosened(output, launcher.running())


def _switch_arguments(switch: bool) -> tuple[str, ...]:
    return ("--switch-database",) if switch else ()


def daemon_status(output: Output) -> ExitCode:
    """Prints what runs; never starts it."""
    settings = load_settings()
    launcher = Launcher(settings, output)
    if settings.url is None and not launcher.answers():
        return _report_not_running(output, launcher)
    from oee_cli.api.client_http import Client

    with closing(Client(settings, output)) as client:
        try:
            answer: dict[str, Any] = client.ask("GET", "/api/status")
        except ConnectionLost as lost:
            raise client.unreachable(lost) from None
    if settings.url is None:
        # What it calls itself and its own is of its container, and here it may be anybody's.
        pid = launcher.pid()
        if pid != answer["pid"]:
            for part in (answer, answer["postgres"], answer["queue"], answer["worker"]):
                part["pid"] = None
            answer["pid"] = pid
    if output.json:
        output.emit({"running": True, **answer})
    else:
        from oee_cli.daemon.daemon_status import draw_status

        draw_status(output, answer)
    return ExitCode.DONE


def daemon_logs(lines: int, follow: bool, output: Output) -> None:
    """Prints the end of the log, and what is added to it."""
    path = _local_settings("logs").log_file
    try:
        with path.open("rb") as f:
            for line in deque(f, maxlen=lines) if lines else ():
                _write_log_line(line)
            position = f.seek(0, os.SEEK_END) if not lines else f.tell()
    except FileNotFoundError:
        if not follow:
            raise Unreachable(
                f"There is no log yet: {path}", hint="It begins with: oee daemon start", code="no_log"
            ) from None
        position = 0
    except PermissionError:
        raise Forbidden(f"{path} can't be read by this account.") from None
    if follow:
        _follow_file(path, position)


def daemon_token(output: Output) -> None:
    """Prints the token that TCP asks for; it is made with the home, so a home without one is started."""
    settings = load_settings()
    try:
        if not settings.token_file.exists():
            Launcher(_local_settings("token"), output).start()
        text = settings.token_file.read_text().strip()
    except PermissionError:
        raise Forbidden(
            f"{settings.token_file} can't be read by this account.", hint="It belongs to who runs the daemon."
        ) from None
    except OSError as e:
        raise CliError(f"{settings.token_file} can't be read: {e.strerror}.", code="no_token") from None
    output.answer({"token": text}, text, bare=True)


def _local_settings(what: str) -> Settings:
    return load_local_settings(f"daemon {what}", "a daemon", f"Without it: env -u OEE_URL oee daemon {what}")


def _report_running(output: Output, launcher: Launcher, what: str) -> None:
    running = launcher.running() | {"pid": launcher.pid()}
    text = f"✓ {what}   {name_process(running['pid'])}   {launcher.socket_path()}"
    output.answer({"running": True, **running}, text)


def _report_not_running(output: Output, launcher: Launcher) -> ExitCode:
    pid = launcher.holder()
    if pid is None:
        error = Unreachable(
            "The daemon is not running.", hint="Start it: oee daemon start", code="daemon_not_running"
        )
    else:
        error = explain_frozen(pid) or Unreachable(
            f"The daemon ({name_process(pid)}) is there and does not answer:"
            " it is starting, stopping or stuck.",
            hint="See: oee daemon logs",
            code="daemon_not_answering",
            retryable=True,
        )
    if output.json:
        output.emit({"running": False, "pid": pid, "error": error.as_dict()})
        output.sentence("✗", error.message, error.hint)
    else:
        output.fail(error)
    return error.exit_code


def _follow_file(path: Path, position: int) -> NoReturn:
    inode = path.stat().st_ino if path.exists() else None
    while True:
        time.sleep(_LOOK)
        try:
            now = path.stat()
        except FileNotFoundError:
            continue
        if now.st_ino != inode or now.st_size < position:
            # Set aside at a start, or cut: begin the new one from its top.
            inode, position = now.st_ino, 0
        if now.st_size > position:
            with path.open("rb") as f:
                f.seek(position)
                for line in f:
                    _write_log_line(line)
                position = f.tell()


def _write_log_line(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
