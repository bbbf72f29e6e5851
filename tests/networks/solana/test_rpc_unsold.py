"""What an endpoint does not sell it refuses for good; what it refuses for a moment it may have."""

from __future__ import annotations

import asyncio

import pytest

from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer, RpcError, Unsold, is_unsold
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from tests.networks.solana.server import Said, serving
from tests.networks.solana.test_rpc import DEADLINE_S, ONE

#: What gateways answer to a method that they do not sell; and what they answer now and then.
FOR_GOOD = {
    "JSON-RPC": (-32601, "Method not found"),
    "dRPC": (35, "getBlock is not available on freetier, please upgrade your plan"),
    "Alchemy": (-32600, "Unsupported method: getBlock. See available methods at https://docs.alchemy.com"),
    "Alchemy, once more": (-32602, "Unsupported method: getBlock."),
    "a proxy": (4200, "The requested method is not supported"),
}
OF_A_MOMENT = {
    "dRPC": (19, "Temporary internal error. Please retry, trace-id: d13566ef"),
    "dRPC, late": (30, "Request timeout on the free tier, please upgrade your tier to the paid one"),
    "dRPC, cancelled": (14, "GRPC Context cancellation"),
    "dRPC, without a node": (12, "Can't route your request to suitable provider"),
    "Ankr": (-32055, "No nodes available"),
    "a node": (-32004, "Block not available for slot 7"),
    "a node's own": (-32602, "Invalid params: expected a slot"),
    "a gateway, busy": (503, "Upstream is not available at the moment"),
    "a gateway, without it": (-1, "block 7 not available"),
    "a gateway, behind": (-1, "slot 7 is not available"),
    "a gateway, silent": (1, ""),
}


@pytest.mark.parametrize("error", FOR_GOOD.values(), ids=FOR_GOOD)
def test_a_method_that_is_not_sold_is_refused_by_many_words(error: tuple[int, str]) -> None:
    assert is_unsold(RpcError(*error))


@pytest.mark.parametrize("error", OF_A_MOMENT.values(), ids=OF_A_MOMENT)
def test_what_a_gateway_says_of_a_moment_is_no_refusal_of_a_method(error: tuple[int, str]) -> None:
    """Any code of its own was one: a list with a hole counted where its blocks were not told for a moment."""
    assert not is_unsold(RpcError(*error))


@pytest.mark.parametrize(
    ("status", "error", "unsold"),
    [
        (402, None, True),
        (403, None, True),
        (404, None, False),
        (404, (-32601, "Method not found"), True),
        (400, (-32602, "Unsupported method: getBlock."), True),
        (400, (-32602, "Invalid params"), False),
        (408, None, False),
        (499, None, False),
        (500, (-32601, "Method not found"), False),
    ],
)
def test_a_method_is_refused_by_what_lasts(status: int, error: tuple[int, str] | None, unsold: bool) -> None:
    """Any 4xx was a refusal: of a request that timed out, and of a node that its proxy did not find."""
    said = {"id": 1, "error": {"code": error[0], "message": error[1]}} if error else {}

    async def run() -> None:
        async with serving(lambda _: Said(said, status)) as (address, _):
            one = Endpoint(Site(address), Bucket(1000.0, 1000))
            with pytest.raises(NoAnswer) as told:
                await one.ask(ONE, DEADLINE_S)
            assert isinstance(told.value, Unsold) is unsold
            await one.close()

    asyncio.run(run())
