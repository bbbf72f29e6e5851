"""What the simulated chain keeps: its fills, page by page, and its ledger's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from oee_daemon.errors import BadCursor, ChainUnavailable
from oee_daemon.networks.simulated.simulated_schema import open_file
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import (
    Unknown,
)
from oee_daemon.start_errors import BadSetting
from tests.kit.clock import FakeClock
from tests.kit.now import now
from tests.kit.simulated_tables import sim_faults, sim_ledger
from tests.networks.simulated.chain_bench import CONFIRM_MS, DEADLINE_S, Bench

# Fills, and what is kept.


@pytest.mark.parametrize("limit", [1, 3, 7, 12, 1000])
def test_fills_are_paged_to_the_end_with_none_doubled_or_missing(bench: Bench, limit: int) -> None:
    sent = []
    for n in range(12):
        swap = bench.swap(number=n)
        now(bench.chain.submit(swap, DEADLINE_S))
        sent.append(swap.signature)
        if n % 3 == 0:  # several of the same millisecond
            bench.clock.wind(ms=100)
    bench.clock.wind(ms=CONFIRM_MS)
    found = bench.fills(limit)
    assert sorted(f.signature for f in found) == sorted(sent)
    assert [f.at for f in found] == sorted((f.at for f in found), reverse=True)


def test_fills_that_come_while_paging_disturb_nothing(bench: Bench) -> None:
    first = [bench.swap() for _ in range(4)]
    for swap in first:
        now(bench.chain.submit(swap, DEADLINE_S))
    bench.clock.wind(ms=CONFIRM_MS)
    page = now(bench.chain.fills(limit=2))
    for _ in range(3):
        bench.clock.wind(ms=CONFIRM_MS)
        now(bench.chain.submit(bench.swap(), DEADLINE_S))
    bench.clock.wind(ms=CONFIRM_MS)
    rest = now(bench.chain.fills(limit=1000, before=page.before))
    assert sorted(f.signature for f in (*page.fills, *rest.fills)) == sorted(s.signature for s in first)
    assert rest.before is None


@pytest.mark.parametrize("before", ["", "x", "1700000000000-x", "9" * 64, "tip", "\x00"])
def test_fills_before_a_swap_that_never_landed_are_refused(bench: Bench, before: str) -> None:
    with pytest.raises(BadCursor):
        now(bench.chain.fills(limit=1, before=before))


def test_the_ledger_survives_being_opened_again(bench: Bench) -> None:
    landed, waiting = bench.swap(), bench.swap()
    now(bench.chain.submit(landed, DEADLINE_S))
    bench.clock.wind(s=10)
    before, height = bench.outcome(landed), now(bench.chain.height())
    now(bench.chain.submit(waiting, DEADLINE_S))
    bench.ledger.dispose()
    again = bench.open_chain()
    assert now(again.height()) == height > 0
    assert bench.outcome(landed, chain=again) == before
    assert isinstance(bench.outcome(waiting, chain=again), Unknown)
    now(again.submit(waiting, DEADLINE_S))
    now(again.submit(landed, DEADLINE_S))
    assert bench.landed() == 2


def test_a_file_that_two_share_is_one_ledger(tmp_path: Path, clock: FakeClock, wallet: Wallet) -> None:
    one = Bench(open_file(tmp_path / "sim.db"), clock, wallet)
    two = Bench(open_file(tmp_path / "sim.db"), clock, wallet)
    swap = one.swap()
    now(one.chain.submit(swap, DEADLINE_S))
    now(two.chain.submit(swap, DEADLINE_S))
    assert two.landed() == one.landed() == 1
    assert two.outcome(swap, wait_s=1) == one.outcome(swap)
    for bench in (one, two):
        bench.ledger.dispose()


def test_a_file_that_can_be_no_ledger_is_told_by_its_setting(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database\n" * 100)
    below = tmp_path / "text" / "x"
    for file, why in ((tmp_path, "open"), (tmp_path / "text", "not a database"), (below, "")):
        with pytest.raises(BadSetting, match=f"OEE_SIM_LEDGER_FILE can't be '{file}': .*{why}"):
            open_file(file)


def test_a_ledger_that_is_away_is_a_chain_that_is_away(
    tmp_path: Path, clock: FakeClock, wallet: Wallet
) -> None:
    bench = Bench(open_file(tmp_path / "sim.db"), clock, wallet)
    swap = bench.swap()
    with bench.ledger.connect() as conn:
        for table in (sim_ledger, sim_faults):
            table.drop(conn)
    for call in (
        lambda: now(bench.chain.submit(swap, DEADLINE_S)),
        lambda: bench.outcome(swap),
        lambda: now(bench.chain.fills(limit=1)),
    ):
        with pytest.raises(ChainUnavailable):
            call()
    bench.ledger.dispose()
