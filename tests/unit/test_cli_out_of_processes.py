"""A command of an account that may start no more processes."""

from __future__ import annotations

import contextlib
import io
import resource
from pathlib import Path

import pytest

from oee_cli import __main__
from oee_cli.exit_codes import ExitCode
from tests.kit.accounts import as_root, become


@as_root
def test_what_needs_another_process_says_what_is_used_up(
    homes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OEE_HOME", str(homes / "h"))
    # Whoever has become another account can import nothing any more.
    assert __main__._run_guarded(["wallet", "list"]) == ExitCode.DONE

    def list_wallets() -> bool:
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        with contextlib.redirect_stderr(io.StringIO()) as said:
            code = __main__._run_guarded(["wallet", "list"])
        return code == ExitCode.FAULT and "No more threads or processes may be started" in said.getvalue()

    assert become("nobody", list_wallets)
