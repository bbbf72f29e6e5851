"""How long a venue's API is left alone that says it is asked too often."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import pytest

from oee_daemon.errors import VenueLate
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.venues import venue_api
from tests.networks.solana.server import Said, serving

#: The time while these tests run, in Unix seconds.
NOW = 1_800_000_000.25


class Noted(Bucket):
    """Keeps what it was asked for: by the time that a test looks, a part of a pause is over."""

    asked: float

    def pause(self, seconds: float, methods: Collection[str] = ()) -> None:
        self.asked = seconds


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({}, 1.0),
        ({"retry-after": "7"}, 7.0),
        ({"x-ratelimit-reset": "1800000040"}, 39.75),
        ({"x-ratelimit-reset": "1800000040", "retry-after": "3"}, 3.0),
        ({"x-ratelimit-reset": "2800000000"}, 60.0),
        ({"x-ratelimit-reset": "1799999960"}, 1.0),
        ({"x-ratelimit-reset": "soon"}, 1.0),
        ({"x-ratelimit-reset": "9" * 5000}, 1.0),
    ],
)
def test_the_api_is_left_alone_as_long_as_it_says(
    headers: Mapping[str, str], pause_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venue_api, "now", lambda: datetime.fromtimestamp(NOW, UTC))
    bucket = Noted(1000.0, 1000)

    async def run() -> None:
        async with serving(lambda _: Said({"message": "Too many requests"}, 429, headers)) as (address, _):
            api = venue_api.Api("jupiter", Site(address), bucket)
            with pytest.raises(VenueLate):
                await api.get("/swap/v2/build", {}, 5.0, urgent=True)
            await api.close()

    asyncio.run(run())
    assert bucket.asked == pause_s
