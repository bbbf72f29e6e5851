"""Where a command may ask its user something."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from oee_cli.output import Output


def test_a_question_is_asked_only_where_it_is_seen_and_can_be_answered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`oee resume 2>log` waited for an answer to a question that stood in the log."""
    ours, theirs = os.openpty()
    with open(ours, "rb"), open(theirs, "rb", buffering=0) as raw, (tmp_path / "log").open("w") as log:
        terminal = io.TextIOWrapper(io.BufferedReader(raw))
        for stdin, stderr, can in (
            (terminal, terminal, True),
            (terminal, log, False),
            (log, terminal, False),
        ):
            monkeypatch.setattr(sys, "stdin", stdin)
            monkeypatch.setattr(sys, "stderr", stderr)
            assert Output().can_ask is can
        monkeypatch.undo()
