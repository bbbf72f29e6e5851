"""Views of the one chain: what a node tells of slots, heights and signatures, and how it misleads.

Nodes are rows of the table `nodes`. Without a row there is `main`, which is right about everything. What
accounts hold is the chain's for all of them: a node that lags tells old slots, not old balances.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from solders.hash import Hash

from oee_daemon.networks.localnet import localnet_slots
from oee_daemon.networks.localnet.litesvm_chain import Chain
from oee_daemon.networks.localnet.localnet_node_faults import Faults
from oee_daemon.networks.localnet.localnet_sqlite import Landing, Status

#: Slots for which a node knows a signature without its history: `MAX_RECENT_BLOCKHASHES` of agave's status
# cache.
CACHE_SLOTS = 300
COMMITMENTS = ("processed", "confirmed", "finalized")


class RpcError(Exception):
    """An answer of JSON-RPC that is an error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """`lag`: slots behind. `history`: full, none (says so), pruned (says nothing). `ghost`: believes in forks
    that lost. `members`: a balancer over those, by commas. `batches`: whether it takes several calls in one
    request."""

    name: str
    lag: int = 0
    history: str = "full"
    height_is_slot: int = 0
    ghost: int = 0
    batches: int = 1
    members: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    chain: Chain
    faults: Faults
    row: NodeRow

    @property
    def tip(self) -> int:
        return max(localnet_slots.block_at(self.chain.tip - self.row.lag), localnet_slots.FIRST_SLOT)

    def slot(self, commitment: str) -> int:
        rules = self.chain.rules
        behind = {"processed": 0, "confirmed": rules.confirm, "finalized": rules.final}[commitment]
        return max(localnet_slots.block_at(self.tip - behind), localnet_slots.FIRST_SLOT)

    def height(self, commitment: str) -> int:
        slot = self.slot(commitment)
        return slot if self.row.height_is_slot else localnet_slots.height_of(slot)

    def blockhash(self, commitment: str) -> tuple[Hash, int]:
        """The newest, and the last height at which it is good."""
        found = self.chain.hashes.of(localnet_slots.height_of(self.slot(commitment)))
        return found, self.height(commitment) + localnet_slots.HASH_BLOCKS

    def knows(self, blockhash: Hash, commitment: str) -> bool:
        """Whether its bank of that commitment would take it: neither too old nor made later."""
        age = self.chain.hashes.age(blockhash, localnet_slots.height_of(self.slot(commitment)))
        return age is not None and age <= localnet_slots.HASH_BLOCKS

    def hash_at(self, height: int) -> Hash:
        """Of the block of that height; a ghost has those of the fork that lost, from that one on."""
        forks = self.chain.hashes.forks
        believes = self.row.ghost and bool(forks) and height > forks[-1]
        return self.chain.hashes.of(height, forks[:-1] if believes else None)

    @property
    def first_block(self) -> int:
        if self.row.history == "full":
            # As of a node that keeps everything: nothing was there before, and nothing of it was removed.
            return 0
        return max(self.slot("finalized") - CACHE_SLOTS, localnet_slots.FIRST_SLOT)

    def status(self, signature: str, search: bool) -> tuple[Status, str] | None:
        """Where it landed, and how certain that is; None where this node sees nothing. May raise
        `RpcError`."""
        if search and self.row.history == "none":
            raise RpcError(-32011, "Transaction history is not available from this node")
        if self.row.ghost and (orphan := self.chain.ledger.orphan(signature)):
            return orphan, "confirmed"
        found = self.chain.ledger.status(signature)
        if found is None or found.slot > self.tip:
            return None
        if found.slot < self.tip - CACHE_SLOTS and not (search and self.row.history == "full"):
            return None
        for commitment in reversed(COMMITMENTS):
            if found.slot <= self.slot(commitment):
                return found, commitment
        raise AssertionError(found)

    def landing(self, signature: str, commitment: str) -> Landing | None:
        """The whole transaction. May raise `RpcError`."""
        if self.row.history == "none":
            raise RpcError(-32011, "Transaction history is not available from this node")
        found = self.chain.ledger.find(signature)
        if found is None or not self.first_block <= found.slot <= self.slot(commitment):
            return None
        return found


class Nodes:
    """All of them, by name; rows that others write count from the next request on."""

    def __init__(self, chain: Chain, faults: Faults) -> None:
        self._chain = chain
        self._faults = faults
        self._turns = itertools.count()
        self._rows: dict[str, NodeRow] = {}
        self._version = -1
        self._forked_at = 0

    def refresh(self) -> None:
        """Time goes on, and what was ordered meanwhile counts."""
        version = self._chain.ledger.version()
        if version != self._version:
            self._version = version
            self._faults.load()
            self._rows = {row["name"]: NodeRow(**row) for row in self._chain.ledger.rows("nodes")}
        self._chain.advance()
        if self._chain.tip != self._forked_at:
            self._forked_at = self._chain.tip
            fault = self._faults.draw("chain")
            if fault is not None:
                self._chain.fork(fault.blocks)

    def find(self, name: str) -> Node | None:
        """The node of a request; a balancer's next one. None: there is none of that name."""
        row = self._rows.get(name)
        if row is not None and row.members:
            members = row.members.split(",")
            batches = row.batches
            row = self._rows.get(members[next(self._turns) % len(members)], NodeRow(name="main"))
            if not batches:
                row = NodeRow(**{field: getattr(row, field) for field in NodeRow.__slots__} | {"batches": 0})
        if row is None:
            if name != "main":
                return None
            row = NodeRow(name=name)
        return Node(self._chain, self._faults, row)
