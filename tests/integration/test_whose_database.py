"""A database that is another engine's is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from solders.keypair import Keypair
from sqlalchemy import text

from oee_daemon.engine import engine_worker
from oee_daemon.engine.engine_worker import Worker
from oee_daemon.networks.simulated.simulated_schema import open_file
from oee_daemon.networks.wallet import Wallet
from oee_daemon.settings import Settings
from oee_daemon.start_errors import OtherEngine
from oee_daemon.store.engine_row import where
from tests.integration.test_identity import identity
from tests.kit.engine import Bench
from tests.kit.now import now


def test_the_first_start_writes_down_whose_it_is_and_the_next_finds_it(bench: Bench) -> None:
    identity(bench).settle()
    with bench.db.connect() as conn:
        row = conn.execute(text("SELECT * FROM engine")).one()
        here = where(conn)
    assert here is not None
    assert (row.network, row.wallet) == ("simulated", bench.wallet.address)
    assert (row.chain, row.server, row.timeline) == (
        now(bench.chain().identity()),
        here.server,
        here.timeline,
    )
    identity(bench).settle()
    with bench.db.connect() as conn:
        assert conn.execute(text("SELECT id FROM engine")).scalar_one() == row.id


def test_another_wallet_is_refused_with_both_names(bench: Bench) -> None:
    identity(bench).settle()
    ours = bench.wallet
    bench.wallet = Wallet(Keypair.from_seed(bytes([1] * 32)))
    with pytest.raises(OtherEngine) as refused:
        identity(bench).settle()
    assert ours.address in refused.value.message and bench.wallet.address in refused.value.message
    assert "Copy wallets/" in refused.value.message


def test_another_chain_is_refused_with_both_names(bench: Bench, tmp_path: Path) -> None:
    identity(bench).settle()
    ours = now(bench.chain().identity())
    bench.clock.wind(s=1)
    bench.ledger = open_file(tmp_path / "other.db")
    with pytest.raises(OtherEngine) as refused:
        identity(bench).settle()
    assert ours in refused.value.message and now(bench.chain().identity()) in refused.value.message
    bench.ledger.dispose()


def test_a_worker_makes_no_wallet_beside_the_engines(
    bench: Bench, empty_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What it opened before it refuses would be closed by nobody here.
    monkeypatch.setattr(engine_worker, "open_database", lambda *_, **__: bench.db)
    identity(bench).settle()
    settings = Settings(home=tmp_path / "home", database_url=empty_url, redis_url=redis_url)
    with pytest.raises(OtherEngine, match=bench.wallet.address):
        Worker(settings, owner="w")
    assert not (settings.home / "wallets").exists()


def test_another_network_is_refused_before_anybody_is_sent_for_a_wallet_of_it(
    bench: Bench, empty_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_worker, "open_database", lambda *_, **__: bench.db)
    identity(bench).settle()
    settings = Settings(
        home=tmp_path / "home", database_url=empty_url, redis_url=redis_url, network="localnet"
    )
    with pytest.raises(OtherEngine, match=r"whose network is simulated, and here the network is localnet"):
        Worker(settings, owner="w")
    assert not (settings.home / "wallets").exists()
