"""The process of localnet: the chain of one file, on a Unix socket or a loopback address, until SIGTERM.

It prints one line, `ready ADDRESS`, once it answers. A second one on the same file ends at once, with 75
(`EX_TEMPFAIL` of sysexits.h).
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import gc
import ipaddress
import os
import signal
import sys
import time
from pathlib import Path

from solders.hash import Hash

from oee_daemon.networks.localnet.litesvm_chain import Chain, Rules
from oee_daemon.networks.localnet.localnet_http_door import Door, House
from oee_daemon.networks.localnet.localnet_sqlite import Ledger


def _arguments(given: list[str]) -> argparse.Namespace:
    read = argparse.ArgumentParser(prog="python -m oee_daemon.networks.localnet", allow_abbrev=False)
    read.add_argument("file", type=Path, help="the chain's file, made if it is not there")
    read.add_argument("--listen", required=True, help="a Unix socket's path, or a loopback address with port")
    read.add_argument("--seed", type=int, default=1, help="decides prices and faults of a new chain")
    read.add_argument("--slot-ms", type=int, default=400, help="of a new chain; 0: one slot a landing")
    read.add_argument("--genesis", type=Hash.from_string, help="of a new chain: the hash that it goes by")
    read.add_argument("--devnet", action="store_true", help="a new chain has devnet's pools and USDC as well")
    read.add_argument("--confirm", type=int, default=1, help="slots until a block is confirmed")
    read.add_argument("--final", type=int, default=1, help="slots until a block is final")
    read.add_argument("--slippage", type=int, default=5, help="percent of landings that meet another price")
    read.add_argument(
        "--listing-slots", type=int, default=0, help="from one new token to the next; 0: none comes"
    )
    read.add_argument("--venue-ms", type=int, default=200, help="how long a venue's API takes")
    return read.parse_args(given)


def _hold(file: Path) -> int | None:
    """The lock on the chain's file, as long as this process lives; None: another one has it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file.with_name(file.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


async def _serve(door: Door, listen: str) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    host, _, port = listen.rpartition(":")
    if host:
        server = await loop.create_server(door.connection, host, int(port))
        listen = "{}:{}".format(*server.sockets[0].getsockname()[:2])
    else:
        # asyncio takes the place of what a killed one left.
        server = await loop.create_unix_server(door.connection, listen)
    door.wake()
    print(f"ready {listen}", flush=True)
    await ended.wait()
    server.close()


def _is_loopback(listen: str) -> bool:
    host, _, port = listen.rpartition(":")
    try:
        return not host or (ipaddress.ip_address(host).is_loopback and port.isdigit())
    except ValueError:
        return False


def main(given: list[str]) -> int:
    told = _arguments(given)
    if not _is_loopback(told.listen):
        print("x  localnet listens on a Unix socket or a loopback address alone.", file=sys.stderr)
        return 2
    lock = _hold(told.file)
    if lock is None:
        print(f"x  {told.file} is another localnet's.", file=sys.stderr)
        return os.EX_TEMPFAIL
    rules = Rules(
        seed=told.seed,
        slot_ms=told.slot_ms,
        confirm=told.confirm,
        final=told.final,
        slippage=told.slippage,
        devnet=told.devnet,
        listing_slots=told.listing_slots,
        genesis=None if told.genesis is None else bytes(told.genesis),
    )
    ledger = Ledger(told.file)
    chain = Chain(ledger, rules, lambda: time.time_ns() // 1_000_000)
    gc.freeze()
    gc.enable()
    try:
        asyncio.run(_serve(Door(House(chain, told.venue_ms)), told.listen))
    finally:
        ledger.close()
    return 0
