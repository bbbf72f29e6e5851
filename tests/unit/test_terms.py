"""What a request says is remembered as it always was: a key of an earlier release still finds its order."""

from __future__ import annotations

import pytest

from oee_daemon.api import request_wire
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.tokens import TOKENS

BOOK = TokenBook("simulated", TOKENS.values())
SOLD = "2731115603cb921e68121da86910772de3b929af9a5991368612dd2cb1b97c25"

#: Bodies, and what release 0.1.0 stored as the hash of each.
OF_0_1_0 = {
    '{"inputToken":"SOL","outputToken":"USDC","amount":1.5}': SOLD,
    '{"inputToken":"sol","outputToken":"USDC","amount":"1.500","side":null}': SOLD,
    '{"inputToken":"SOL","outputToken":"USDC","amount":"1.5","swapMode":"ExactIn"}': (
        "b1dd3c06fb27c423978df458a6d715dc561e0637cd96702df0ae419c00c58378"
    ),
    '{"inputToken":"USDC","outputToken":"SOL","amount":"250","side":"buy"}': (
        "24376d0d12c648b11400b70bcdcd604e25b1a5c191c838c6b24bb68db9f9cf50"
    ),
    '{"inputToken":"USDC","outputToken":"SOL","amount":2,"swapMode":"ExactOut","maxSpend":"310.25"}': (
        "b9fe9c0e88bbafbd0d3d8443da556c096af93a3d60121e1d4972aa41bbe0d6a9"
    ),
    '{"inputToken":"SOL","outputToken":"USDC","amount":1.5,"slippageBps":0}': (
        "b6c002dfc5c8c9be1be16abb7f05aaf4b1815f7db8161d8f810ac63a6bc33cf1"
    ),
    '{"inputToken":"SOL","outputToken":"USDC","amount":1.5,"slippageBps":50,"validForS":300}': (
        "d4ad07e319e8cc025b4c172450635897680ec5cafb681cd5afc940c5ec33b1c7"
    ),
    """{"inputToken":"JUP","outputToken":"SOL","amount":"1000000","side":"sell",
        "minReceive":"2.000000001","validForS":604800}""": (
        "76683823bc6abbc6de4d202aeedc5d6bbbb6ce811b0c371194c7be99388f85cf"
    ),
    """{"inputToken":"USDC","outputToken":"DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263",
        "amount":"18446744073709.551615"}""": (
        "56114e32268d9810f6537408e305b3ce732cb871173c5c81ba11fd85093d98c7"
    ),
    """{"inputToken":"mSOL","outputToken":"JitoSOL","amount":"0.000000001","side":"buy",
        "slippageBps":5000}""": "c68aad37aed66d6af974892c6ffed54b6c89dddc2fbe2c825a99e48319e0032a",
}


@pytest.mark.parametrize(("body", "stored"), OF_0_1_0.items())
def test_a_request_has_the_hash_that_the_first_release_stored(body: str, stored: str) -> None:
    terms = request_wire.read_order(request_wire.read_json(body.encode()), BOOK)
    assert terms.request_hash is not None
    assert terms.request_hash.hex() == stored
