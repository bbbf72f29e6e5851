"""How long a venue's API is left alone that says it is asked too often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import pytest

from oee_daemon.errors import VenueLate
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.venues.venue_api import Api
from tests.networks.solana.server import Said, serving

NOW = int(time.time())


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({}, 0.5, 1.0),
        ({"retry-after": "7"}, 6.0, 7.0),
        ({"x-ratelimit-reset": str(NOW + 40)}, 10.0, 40.0),
        ({"x-ratelimit-reset": str(NOW + 40), "retry-after": "3"}, 2.0, 3.0),
        ({"x-ratelimit-reset": str(NOW + 10**9)}, 59.0, 60.0),
        ({"x-ratelimit-reset": str(NOW - 40)}, 0.5, 1.0),
        ({"x-ratelimit-reset": "soon"}, 0.5, 1.0),
        ({"x-ratelimit-reset": "9" * 5000}, 0.5, 1.0),
    ],
)
def test_the_api_is_left_alone_as_long_as_it_says(
    headers: Mapping[str, str], least: float, most: float
) -> None:
    async def run() -> float:
        async with serving(lambda _: Said({"message": "Too many requests"}, 429, headers)) as (address, _):
            bucket = Bucket(1000.0, 1000)
            api = Api("jupiter", Site(address), bucket)
            with pytest.raises(VenueLate):
                await api.get("/swap/v2/build", {}, 5.0, urgent=True)
            await api.close()
            return bucket.pause_s

    assert least < asyncio.run(run()) <= most
