"""The waits that tests shorten: what is written is read back, and a wait that can't be is refused."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oee_daemon.timing import USUAL, Timing, read

seconds = st.integers(1, 10**9).map(lambda thousandths: thousandths / 1000)


def test_by_default_nothing_is_said_and_nothing_is_changed() -> None:
    assert (str(USUAL), read("")) == ("", Timing())


def test_each_figure_can_be_said() -> None:
    for name, usual in asdict(USUAL).items():
        said = f"{name}=1..2" if isinstance(usual, tuple) else f"{name}=1"
        assert getattr(read(said), name) in (1.0, (1.0, 2.0))


@given(st.builds(Timing, lease_s=seconds, silent_s=seconds, backoff_s=st.tuples(seconds, seconds)))
def test_what_is_said_is_read_back(timing: Timing) -> None:
    assert read(str(timing)) == timing


def test_one_wait_leaves_the_others_as_they_are() -> None:
    assert read("lease_s=2,backoff_s=0.1..1") == Timing(lease_s=2.0, backoff_s=(0.1, 1.0))


@pytest.mark.parametrize(
    "text",
    ["lease_s", "lease_s=", "lease_s=-1", "lease_s=0", "lease_s=inf", "lease_s=1e3", "lease_s=1..2",
     "backoff_s=1", "no_such_s=1", "lease=1", "lease_s=1;beat_s=1", "__str__=1", "lease_s = 1"],
)  # fmt: skip
def test_what_is_no_wait_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"lease_s=2,backoff_s=0\.1\.\.1"):
        read(text)
