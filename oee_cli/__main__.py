"""The `oee` process: how it begins and every way it can end.

Commands return nothing or an exit code, or raise; here that becomes words on a stream and a number for the
shell, 0 for nothing. No user ever sees a traceback, unless `OEE_DEBUG=1` asks for it.
"""

from __future__ import annotations

# Built into Python, unlike `signal`, which a file of that name in the working folder would stand for, and
# which takes longer to import than what `--version` needs.
import _signal  # type: ignore[import-not-found]
import errno
import gc
import os
import sys


def _leave(_number: int, _frame: object) -> None:
    """While nothing is under way: an exception in the middle of an import may be said to be another one, or
    be shown where nobody can catch it."""
    os._exit(130)


def _exit_interrupted(ours: object, by: object) -> None:
    """Ctrl-C from now on is `by`, where it is `ours`: whoever has it ignored has it ignored."""
    if _signal.getsignal(_signal.SIGINT) is ours:
        _signal.signal(_signal.SIGINT, by)


if __name__ == "__main__" or os.path.basename(sys.argv[0]) == "oee":  # noqa: PTH119  # before pathlib
    # Before anything else is imported, which is most of a short command's time.
    _exit_interrupted(_signal.default_int_handler, _leave)

from oee_cli.search_path import import_only_ours  # noqa: E402

# `typing` itself would be a third of what `--version` costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Objects made before garbage is looked for. Imports make tens of thousands and no garbage: at Python's 700,
#: looking costs a short command 5 % of its time. A long one still stays flat.
_GARBAGE_AFTER = 50_000
#: Seconds.
_DAY_S = 86_400
#: What a stream says that takes no more.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main() -> None:
    """The console script."""
    _exit_interrupted(_signal.default_int_handler, _leave)
    import_only_ours()
    _read_zone()
    gc.set_threshold(_GARBAGE_AFTER)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Started with that stream closed: what would go there goes nowhere, and nothing comes. In this
            # order each gets its own number, which nothing that is opened later may have.
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115  # to the end
    try:
        code = _end(sys.argv[1:])
        _exit_interrupted(_signal.default_int_handler, _leave)
    except KeyboardInterrupt:
        code = 130
    if os.environ.get("OEE_DEBUG") == "1" and code not in (130, 143):
        sys.exit(code)
    # At once: all was closed and flushed above, threads of a stream are not waited for, and taking hundreds
    # of modules apart costs a short command another 10 %.
    os._exit(code)


def _end(arguments: list[str]) -> int:
    """The code that the command ends with, once what it said is written."""
    try:
        code = _answer_without_typer(arguments)
        if code is None:
            code = _run_guarded(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        return code
    except BrokenPipeError:
        _drop_stdout()
        return 141
    except OSError as e:
        return 141 if _is_hung_up(e) else _report_full_disk(e)


def _is_hung_up(error: OSError) -> bool:
    """Whether it says that the terminal is gone, which may come before the signal that says so, too."""
    if error.errno != errno.EIO:
        return False
    for descriptor in (1, 2):
        try:
            os.tcgetpgrp(descriptor)
        except OSError as e:
            # Whatever else it is, a file or a pipe, it says that it is no terminal.
            if e.errno in (errno.EIO, errno.ENXIO):
                return True
    return False


def _read_zone() -> None:
    """A TZ that is a day or more from Greenwich, as `UTC-25`, is a zone to the C library and none to Python,
    whose moments would fail wherever one is shown: it counts as UTC, as a TZ that nobody knows does."""
    if "TZ" in os.environ:
        import time

        if max(abs(time.timezone), abs(time.altzone)) >= _DAY_S:
            os.environ["TZ"] = "UTC0"
            time.tzset()


def _answer_without_typer(arguments: list[str]) -> int | None:
    """The exit code of what is answered without Typer; `None` for everything else."""
    if arguments[:1] == ["--version"]:
        from oee_daemon.contract.protocol import VERSION

        sys.stdout.write(f"oee {VERSION}\n")
        return 0
    if arguments[:1] == ["__orders"]:
        from oee_cli.api.client_recent_orders import offer_orders

        return offer_orders(arguments[1:])
    return None


def _run_guarded(arguments: list[str]) -> int:
    from oee_cli.cli_errors import CliError, Terminated, no_threads
    from oee_cli.exit_codes import ExitCode

    try:
        _install_sigterm()
        return _run(arguments)
    except CliError as e:
        _make_output(arguments).fail(e)
        return e.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Terminated:
        return ExitCode.TERMINATED
    except BrokenPipeError:
        raise
    except Exception as e:
        if _is_out_of_threads(e):
            _make_output(arguments).fail(no_threads())
            return ExitCode.FAULT
        if _came_of_interrupt(e):
            return ExitCode.INTERRUPTED
        outside = isinstance(e, OSError) and (e.errno in _FULL or _is_hung_up(e))
        if outside or os.environ.get("OEE_DEBUG") == "1":
            raise
        fault = CliError(
            f"A fault of ours: {type(e).__name__}: {e}", hint="OEE_DEBUG=1 shows where it happened."
        )
        _make_output(arguments).fail(fault)
        return ExitCode.FAULT


def _is_out_of_threads(e: Exception) -> bool:
    """Whether a thread or a process could not be started because the account has too many."""
    forked = isinstance(e, BlockingIOError) and e.strerror == os.strerror(errno.EAGAIN)
    return forked or "can't start new thread" in str(e)


def _came_of_interrupt(e: BaseException | None) -> bool:
    """Ctrl-C in the middle of an import, as of an `enum`, is another exception by the time it arrives."""
    while e is not None and not isinstance(e, KeyboardInterrupt):
        e = e.__cause__ or e.__context__
    return e is not None


def _run(arguments: list[str]) -> int:
    import typer

    from oee_cli.app import app
    from oee_cli.cli_errors import CliError
    from oee_cli.wrong_usage import explain_wrong_usage, name_option, what_next

    # The root of the parser's own errors about what was typed; Typer names only its children.
    wrong_usage: Any = typer.BadParameter.__bases__[0]
    command = typer.main.get_command(app)
    try:
        # Not `command()`: it would turn a closed pipe into exit 1 and print errors its own way.
        with command.make_context("oee", list(arguments)) as context:
            # From here on there may be something to put away, or to say.
            _exit_interrupted(_leave, _signal.default_int_handler)
            code = command.invoke(context)
    except typer.Exit as e:
        return e.exit_code
    except wrong_usage as e:
        raise explain_wrong_usage(e, command, arguments) from None
    except CliError as e:
        e.hint = e.hint or what_next(e, command, arguments)
        name_option(e, arguments)
        _wear_network()
        raise
    return int(code or 0)


def _make_output(arguments: list[str]) -> Any:
    """The streams' options, read from the arguments where no command got as far as to read them."""
    from oee_cli.output import Output

    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return Output(json="--json" in options, no_color="--no-color" in options)


def _wear_network() -> None:
    """What was typed may be refused before anything is asked: then the settings alone say where it would have
    gone. What the parser refuses went nowhere, and says so as `--help` does."""
    from oee_cli.cli_errors import CliError
    from oee_cli.network_badge import badge
    from oee_cli.settings.settings_load import load_settings

    if badge.told:
        return
    try:
        settings = load_settings()
    except (CliError, OSError):
        # They may be what failed.
        return
    if settings.url is None:
        badge.wear(settings.network)


def _install_sigterm() -> None:
    """SIGTERM raises `Terminated`; SIGCHLD is put back to its default, or no child could be waited for."""
    import signal

    from oee_cli.cli_errors import Terminated

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def stop(_signal: int, _frame: Any) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, stop)


def _drop_stdout() -> None:
    """Lets the exit flush nothing: nobody reads stdout any more."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(null, stream.fileno())
        except (OSError, ValueError):
            continue


def _report_full_disk(e: OSError) -> int:
    """Says on the other stream that the disk under one of them is full."""
    try:
        sys.stderr.write(f"x The output can't be written: {e.strerror}.\n")
        sys.stderr.write("  Make room where it goes. What was placed goes on: oee history\n")
        sys.stderr.flush()
    except OSError:
        pass
    _drop_stdout()
    return 1


if __name__ == "__main__":
    main()
