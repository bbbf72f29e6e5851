"""What a process knows of tokens, where several ask for it at once."""

from __future__ import annotations

import threading

import pytest

from oee_daemon.networks.network_tokens import KnownToken
from tests.integration.test_order_checks import MadeUp, desk, made_up
from tests.kit.engine import Bench

__all__ = ["made_up"]


def test_a_list_of_tokens_changes_the_book_where_all_others_do(
    bench: Bench, made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed by two threads at once it forgot what one of them had learnt: an order's own token."""
    mine, seen = desk(bench), set[int]()
    learn = mine.book.learn

    def learnt(*found: KnownToken) -> None:
        seen.add(threading.get_ident())
        learn(*found)

    async def here() -> int:
        await mine.all_facts()
        return threading.get_ident()

    monkeypatch.setattr(mine.book, "learn", learnt)
    assert {bench.loop.run(here())} == seen
