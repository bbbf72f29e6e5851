"""When silence counts as death."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from oee_daemon.embedded import embedded_worker as supervisor
from oee_daemon.embedded.embedded_worker import _Silence
from oee_daemon.timing import USUAL


def test_time_in_which_nobody_listened_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(supervisor, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def dead_after(silence: _Silence) -> float:
        began = now[0]
        while not silence.too_long():
            now[0] += 0.2
        return now[0] - began

    silence = _Silence(USUAL)
    # The start has more time, and the machine may sleep for a night in the middle of it.
    now[0] += 30_000
    assert dead_after(silence) == pytest.approx(USUAL.silent_at_first_s - 1, abs=1)
    silence.broken()
    now[0] += 30_000
    assert dead_after(silence) == pytest.approx(USUAL.silent_s - 1, abs=1)
