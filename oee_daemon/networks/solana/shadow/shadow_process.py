"""The process that shadows a chain for a while, and tells of it: one JSON object a line.

A line for each signature as its end is known, and one at the end, `{"event": "summary", …}`. It ends with 0,
with 1 where the table was ever wrong, and with 6 where nothing could be judged. The endpoints are those of
the settings: an address may hold a key, and is no argument.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
from collections import Counter
from contextlib import suppress
from typing import Any

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool, open_pool
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer, Result
from oee_daemon.networks.solana.shadow.shadow_block_watcher import BlockWatcher, Judged
from oee_daemon.networks.solana.solana_endpoint_look import GENESIS
from oee_daemon.networks.solana.solana_profile import PROFILES
from oee_daemon.settings import Settings, load
from oee_daemon.start_errors import BadSetting

#: Requests a second to each endpoint, and at once after a rest: what a free quota bears for a week.
PER_S, BURST = 4.0, 8
#: The same where the endpoint is this machine's own chain, and seconds between two looks at one signature.
FREE_PER_S, FREE_BURST = 500.0, 500
PAUSE_S, FREE_PAUSE_S = 1.0, 0.1
DONE, WRONG, USAGE, UNREACHABLE = 0, 1, 2, 6


def main(given: list[str]) -> int:
    read = argparse.ArgumentParser(prog="python -m oee_daemon.networks.solana.shadow", allow_abbrev=False)
    read.add_argument("--network", choices=PROFILES, required=True)
    read.add_argument("--for", dest="seconds", type=float, required=True)
    told = read.parse_args(given)
    try:
        settings = load()
    except BadSetting as e:
        _say({"event": "error", "code": "bad_setting", "message": e.message})
        return USAGE
    return asyncio.run(_shadow(told.network, told.seconds, settings))


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line, separators=(",", ":")), flush=True)


async def _shadow(network: str, seconds: float, settings: Settings) -> int:
    local = network == "localnet"
    rate = (FREE_PER_S, FREE_BURST) if local else (PER_S, BURST)
    pool = open_pool(PROFILES[network].endpoints(settings), *rate)
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    counts, denied = Counter[str](), Counter[str]()
    try:
        # What was judged until somebody ends it counts.
        with suppress(asyncio.CancelledError):
            genesis = PROFILES[network].genesis or await _genesis_of(pool)
            watcher = BlockWatcher(pool, genesis, FREE_PAUSE_S if local else PAUSE_S, random.Random())  # noqa: S311
            async for one in watcher.judged(seconds):
                _count(one, counts, denied)
                _say(_line(one))
    except ChainUnavailable as e:
        _say({"event": "error", "code": "chain_unavailable", "message": e.message})
        return UNREACHABLE
    finally:
        await pool.close()
    names = ("judged", "agreed", "unknown", "unclear", "wrong")
    summary = {name: counts[name] for name in names}
    _say({"event": "summary", "network": network, **summary, "deniedBy": dict(denied)})
    return WRONG if counts["wrong"] else DONE if counts["judged"] else UNREACHABLE


async def _genesis_of(pool: Pool) -> str:
    """Of a chain of this machine, which nobody knows before. Raises `ChainUnavailable`."""

    def read(results: list[Result]) -> str:
        if not isinstance(results[0], str):
            raise NoAnswer("no genesis hash")
        return results[0]

    return await pool.any([GENESIS], read, 4.0)


def _count(one: Judged, counts: Counter[str], denied: Counter[str]) -> None:
    said = _outcome(one)
    counts["judged"] += 1
    if one.truth == "unclear":
        counts["unclear"] += 1
    elif one.wrong:
        counts["wrong"] += 1
    elif said == "unknown":
        counts["unknown"] += 1
    else:
        counts["agreed"] += 1
    denied.update(one.swap.denied_by)


def _outcome(one: Judged) -> str:
    return type(one.swap.outcome).__name__.lower()


def _line(one: Judged) -> dict[str, Any]:
    swap = one.swap
    return {
        "event": "judged",
        "signature": swap.signature,
        "slot": swap.slot,
        "height": swap.height,
        "looks": swap.looks,
        "outcome": _outcome(one),
        "block": one.truth,
        "deniedBy": sorted(swap.denied_by),
        "wrong": one.wrong,
    }
