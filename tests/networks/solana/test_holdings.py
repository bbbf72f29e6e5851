"""What a wallet holds and what a mint is, as localnet's RPC and API say it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import ID, TransferParams, transfer
from solders.token.associated import get_associated_token_address
from solders.transaction import VersionedTransaction

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import ChainUnavailable, VenueError
from oee_daemon.networks.holdings import Means
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool, open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_directory import JupiterDirectory
from oee_daemon.networks.solana.solana_mint_account import MOST_ACCOUNT_BYTES
from oee_daemon.networks.solana.solana_mint_reader import MintReader
from oee_daemon.networks.solana.solana_programs import ASSOCIATED, TOKEN, TOKEN_2022
from oee_daemon.networks.solana.solana_token_holdings import SolanaHoldings
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.orders.swap import QuoteRequest
from oee_daemon.orders.tokens import TOKENS, Token
from tests.kit.daemons import NO_TLS, until
from tests.networks.solana.local import Local, localnet

SOL, USDC, BONK, JUP = (TOKENS[symbol] for symbol in ("SOL", "USDC", "BONK", "JUP"))
FEE_CAP = 123_456


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    with localnet(tmp_path_factory.mktemp("localnet")) as found:
        yield found


@dataclass
class Asked:
    local: Local
    pool: Pool
    holdings: SolanaHoldings
    mints: MintReader
    directory: JupiterDirectory

    async def means(self, given: Token, taken: Token, *, every: bool = False) -> Means:
        asked = QuoteRequest(input_token=given, output_token=taken, amount=1, mode=SwapMode.EXACT_IN)
        return (await self.holdings.means(asked, 5.0, every=every))[0]

    def rent(self, size: int) -> int:
        found: int = self.local.rpc("getMinimumBalanceForRentExemption", size)
        return found


@asynccontextmanager
async def asking(local: Local, genesis: str | None = None) -> AsyncIterator[Asked]:
    pool = open_pool([local.address, f"{local.address}/"], 1000.0, 1000)
    api = Api("jupiter", Site(f"{local.address}/jupiter"), Bucket(1000.0, 1000))

    async def said() -> str:
        return genesis or local.genesis

    given: dict[str, Any] = {"genesis": said}
    holdings = SolanaHoldings(pool, wallet=local.wallet.address, fee_cap=FEE_CAP, **given)
    try:
        yield Asked(local, pool, holdings, MintReader(pool, **given), JupiterDirectory(api))
    finally:
        await pool.close()
        await api.close()


def listed(local: Local, symbol: str) -> Token:
    """A token of Token-2022 that localnet has beside the listed ones, as its API tells it."""
    import httpx

    found = httpx.get(
        f"{local.address}/jupiter/tokens/v2/search?query={symbol}", trust_env=False, verify=NO_TLS
    ).json()[0]
    return Token(symbol, found["id"], found["decimals"])


def test_a_wallet_holds_what_it_was_given_under_both_programs(local: Local) -> None:
    fee = listed(local, "FEE")
    local.rpc("localnetMint", local.wallet.address, fee.mint, 7_000_000)

    async def ask() -> None:
        async with asking(local) as asked:
            held = {one.mint: one for one in await asked.holdings.balances(5.0)}
            assert held[USDC.mint].units == 1_000 * 10**6 and held[BONK.mint].units == 1_000 * 10**5
            assert (held[fee.mint].units, held[fee.mint].decimals) == (7_000_000, 6)
            assert held[SOL.mint].units == local.rpc("getBalance", local.wallet.address)["value"]
            assert not any(one.wrapped or one.frozen for one in held.values())
            assert JUP.mint not in held

    asyncio.run(ask())


def test_means_are_what_a_swap_can_spend_and_what_its_accounts_take(local: Local) -> None:
    """The wallet has accounts for USDC and BONK, none for wrapped SOL, JUP and PULL."""
    pull = listed(local, "PULL")

    async def ask() -> None:
        async with asking(local) as asked:
            lamports = local.rpc("getBalance", local.wallet.address)["value"]
            own, account = asked.rent(0), asked.rent(165)
            assert own > 0 and account > own
            for given, taken, reserve in (
                (USDC, BONK, own),
                (USDC, JUP, own + account),
                (SOL, USDC, own + account),
                (USDC, SOL, own + account),
                (SOL, JUP, own + 2 * account),
            ):
                for every in (False, True):
                    means = await asked.means(given, taken, every=every)
                    assert (means.native, means.fee, means.reserve) == (lamports, FEE_CAP, reserve)
                    assert means.spends_native is (given is SOL)
                    assert means.given == (lamports if given is SOL else 1_000 * 10**6)
                    assert {m: f.decimals for m, f in (means.facts or {}).items()} == {
                        given.mint: given.decimals,
                        taken.mint: taken.decimals,
                    }
            request = QuoteRequest(input_token=SOL, output_token=USDC, amount=1, mode=SwapMode.EXACT_IN)
            there, token = local.wallet.address, str(Pubkey(bytes(range(1, 33))))
            seeds = [b"user_volume_accumulator", bytes(Pubkey.from_string(there))]
            pumps = Pubkey.from_string("pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA")
            kept = str(Pubkey.find_program_address(seeds, pumps)[0])
            most = asked.rent(MOST_ACCOUNT_BYTES)
            for opens, more in (
                ([there], 0),
                ([kept], 2_000_000),
                ([there, token, kept], 2_000_000 + most),
                ([token, USDC.mint], most),
            ):
                for every in (False, True):
                    (found, *_) = await asked.holdings.means(request, 5.0, every=every, opens=opens)
                    assert found.reserve == own + account + more
            means = await asked.means(JUP, pull)
            assert means.given == 0 and means.reserve > own + account
            assert means.facts is not None
            assert [(one.name, one.risk) for one in means.facts[pull.mint].extensions] == [
                ("permanent-delegate", True)
            ]
            nobody = Token("?", str(Pubkey(bytes(range(32)))), 6)
            assert nobody.mint not in ((await asked.means(nobody, USDC)).facts or {})

    asyncio.run(ask())


def test_mints_are_what_the_chain_says(local: Local) -> None:
    fee, pull = listed(local, "FEE"), listed(local, "PULL")
    wallet_account = get_associated_token_address(
        Pubkey.from_string(local.wallet.address), Pubkey.from_string(USDC.mint)
    )

    async def ask() -> None:
        async with asking(local) as asked:
            found = await asked.mints.read([USDC.mint, fee.mint, str(wallet_account), pull.mint], 5.0)
            assert {m: (f.program, f.decimals) for m, f in found.items()} == {
                USDC.mint: (TOKEN, 6),
                fee.mint: (TOKEN_2022, 6),
                pull.mint: (TOKEN_2022, 6),
            }
            (said,) = found[fee.mint].extensions
            assert (said.name, said.detail, said.risk) == (
                "transfer-fee",
                "1 % of every transfer, at most 5000",
                False,
            )
            assert await asked.mints.read([USDC.mint[:-1], "no address"], 5.0) == {}
            many = [str(Pubkey(n.to_bytes(32, "big"))) for n in range(1, 130)]
            assert list(await asked.mints.read([*many, USDC.mint], 5.0)) == [USDC.mint]

    asyncio.run(ask())


def test_another_chain_says_nothing_of_our_wallet(local: Local) -> None:
    async def ask() -> None:
        async with asking(local, genesis="5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d") as asked:
            for call in (
                asked.holdings.balances(1.0),
                asked.mints.read([USDC.mint], 1.0),
                asked.means(SOL, USDC),
                asked.means(SOL, USDC, every=True),
            ):
                with pytest.raises(ChainUnavailable, match="another chain"):
                    await call

    asyncio.run(ask())


def test_prices_and_names_come_from_the_directory_exactly(local: Local) -> None:
    async def ask() -> None:
        async with asking(local) as asked:
            prices = await asked.directory.usd([SOL.mint, USDC.mint, str(Pubkey(bytes(range(32))))], 5.0)
            assert set(prices) == {SOL.mint, USDC.mint}
            assert prices[USDC.mint] == Decimal(1) and 100 < prices[SOL.mint] < 200
            found = await asked.directory.search("BONK", 5.0)
            assert [(one.symbol, one.mint, one.decimals) for one in found] == [("BONK", BONK.mint, 5)]
            assert await asked.directory.search("nothing like it", 5.0) == []

    asyncio.run(ask())


@pytest.mark.parametrize("path", ["/raydium/compute/swap-base-in", "/nothing", "/jupiter/price/v3?ids=&x="])
def test_a_directory_of_another_shape_is_an_error_and_never_a_price(local: Local, path: str) -> None:
    async def ask() -> None:
        api = Api("jupiter", Site(f"{local.address}{path}"), Bucket(1000.0, 1000))
        try:
            with pytest.raises(VenueError):
                await JupiterDirectory(api).search("SOL", 2.0)
        finally:
            await api.close()

    asyncio.run(ask())


def _send(local: Local, *steps: Instruction) -> None:
    """Lands them, signed by the wallet."""
    recent = Hash.from_string(local.rpc("getLatestBlockhash")["value"]["blockhash"])
    message = MessageV0.try_compile(local.key.pubkey(), list(steps), [], recent)
    wire = base64.b64encode(bytes(VersionedTransaction(message, [local.key]))).decode()
    signature = local.rpc("sendTransaction", wire, {"encoding": "base64"})
    until(lambda: (local.rpc("getSignatureStatuses", [signature])["value"][0] or {}).get("err", 1) is None)


def test_wrapped_sol_is_told_apart_and_not_spent(local: Local) -> None:
    wallet, mint = local.key.pubkey(), Pubkey.from_string(SOL.mint)
    account = get_associated_token_address(wallet, mint)
    _send(
        local,
        Instruction(
            Pubkey.from_string(ASSOCIATED),
            b"\1",
            [
                AccountMeta(wallet, True, True),
                AccountMeta(account, False, True),
                *(AccountMeta(key, False, False) for key in (wallet, mint, ID, Pubkey.from_string(TOKEN))),
            ],
        ),
        transfer(TransferParams(from_pubkey=wallet, to_pubkey=account, lamports=2 * 10**9)),
        Instruction(Pubkey.from_string(TOKEN), b"\x11", [AccountMeta(account, False, True)]),
    )

    async def ask() -> None:
        async with asking(local) as asked:
            native, wrapped = [one for one in await asked.holdings.balances(5.0) if one.mint == SOL.mint]
            lamports = local.rpc("getBalance", local.wallet.address)["value"]
            assert (native.units, native.wrapped, wrapped.units, wrapped.wrapped) == (
                lamports, False, 2 * 10**9, True,
            )  # fmt: skip
            means = await asked.means(SOL, USDC)
            assert (means.native, means.given) == (lamports, lamports)
            # A venue may make another account of it though there is one.
            assert means.reserve == asked.rent(0) + asked.rent(165)

    asyncio.run(ask())


@pytest.mark.parametrize("at", [72, 129])
def test_an_account_with_a_delegate_or_somebody_to_close_it_is_told(at: int) -> None:
    wallet = str(Pubkey.from_bytes(bytes([9]) * 32))
    own = str(get_associated_token_address(Pubkey.from_string(wallet), Pubkey.from_string(USDC.mint)))
    plain = bytearray(165)
    pledged = bytearray(plain)
    pledged[at] = 1
    holdings = SolanaHoldings(open_pool(["http://127.0.0.1:1"], 1, 1), wallet=wallet, fee_cap=1, genesis=None)  # type: ignore[arg-type]
    mint = SimpleNamespace(program=TOKEN)
    for data, told in ((plain, {}), (pledged, {USDC.mint: own})):
        row = {"data": [base64.b64encode(data).decode(), "base64"]}
        found = holdings._find_delegated({own: row}, {USDC.mint: mint})  # type: ignore[dict-item]
        assert found == told
