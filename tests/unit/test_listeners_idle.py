"""What a listener that nobody calls costs, on a loop whose clock jumps to whatever is due next."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

from oee_daemon.api.api_listeners import _make_server


class Jumping(asyncio.SelectorEventLoop):
    """`time()` begins with 0.0 and stands still but for what is waited for, seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        loop = self

        class Selector(selectors.SelectSelector):
            def select(self, timeout: float | None = None) -> Any:
                ready = super().select(0)
                if not ready:
                    loop.now += timeout or 0.0
                return ready

        super().__init__(Selector())

    def time(self) -> float:
        return self.now


async def nobody(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError


def test_a_listener_that_nobody_calls_wakes_once_a_second_and_ends_at_once() -> None:
    loop, server, ticks = Jumping(), _make_server(nobody, "simulated"), list[float]()
    tick = server.on_tick

    async def noted(counter: int) -> bool:
        ticks.append(loop.now)
        server.server_state.default_headers = []
        return await tick(counter)

    server.on_tick = noted  # type: ignore[method-assign]

    async def live() -> None:
        serving = asyncio.create_task(server.main_loop())
        await asyncio.sleep(10.5)
        # Each makes the date anew that answers carry.
        assert [name for name, _ in server.server_state.default_headers] == [b"date"]
        server.end()
        await serving

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(live())
    assert len(ticks) == 12
    assert ticks[-1] == loop.now == 10.5
