"""The `oee` process: how it begins and every way it can end.

Commands return an exit code or raise; here that becomes words on a stream and a number for the shell. No
user ever sees a traceback, unless `OEE_DEBUG=1` asks for it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any


def main() -> None:
    """The console script."""
    try:
        code = _guarded(sys.argv[1:])
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = _closed_pipe()
    except KeyboardInterrupt:
        code = 130
    if code in (130, 143):
        # At once: threads of a stream are not waited for.
        os._exit(code)
    sys.exit(code)


def _guarded(arguments: list[str]) -> int:
    from oee_cli.errors import CliError, Terminated
    from oee_cli.exit_codes import ExitCode

    try:
        if arguments[:1] == ["--version"]:
            from oee_cli import __version__

            sys.stdout.write(f"oee {__version__}\n")
            return ExitCode.DONE
        _on_terminate()
        return _run(arguments)
    except CliError as e:
        _output(arguments).fail(e)
        return e.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Terminated:
        return ExitCode.TERMINATED
    except BrokenPipeError:
        raise
    except Exception as e:
        if os.environ.get("OEE_DEBUG") == "1":
            raise
        fault = CliError(
            f"A fault of ours: {type(e).__name__}: {e}", hint="OEE_DEBUG=1 shows where it happened."
        )
        _output(arguments).fail(fault)
        return ExitCode.FAULT


def _run(arguments: list[str]) -> int:
    import typer

    from oee_cli.app import app
    from oee_cli.usage import explain

    # The root of the parser's own errors about what was typed; Typer names only its children.
    wrong_usage: Any = typer.BadParameter.__bases__[0]
    command = typer.main.get_command(app)
    try:
        # Not `command()`: it would turn a closed pipe into exit 1 and print errors its own way.
        with command.make_context("oee", list(arguments)) as context:
            code = command.invoke(context)
    except typer.Exit as e:
        return e.exit_code
    except wrong_usage as e:
        raise explain(e, command, arguments) from None
    return int(code or 0)


def _output(arguments: list[str]) -> Any:
    """How to speak where no command got as far as to say so."""
    from oee_cli.output import Output

    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return Output(json="--json" in options, no_color="--no-color" in options)


def _on_terminate() -> None:
    import signal

    from oee_cli.errors import Terminated

    def stop(_signal: int, _frame: Any) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, stop)


def _closed_pipe() -> int:
    """Nobody reads any more: end without a word, and let nothing be flushed at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            os.dup2(null, stream.fileno())
    return 141


if __name__ == "__main__":
    main()
