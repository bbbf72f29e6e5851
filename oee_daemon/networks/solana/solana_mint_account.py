"""What a mint's account says, of both token programs: decimals, authorities, and Token-2022's extensions.

Pure: bytes in, facts out. An extension by which somebody else can take tokens back, or stop them from moving,
is a risk and has a name by which a person can accept it; an extension that is not known is one too. Nothing
here decides what may be traded.

The layout: 82 bytes of a mint, zeros up to byte 165, one byte for the kind of account, then each extension
as its number, its length and its content, little-endian
(https://github.com/solana-program/token-2022, interface/src/extension/mod.rs, `ExtensionType`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from solders.pubkey import Pubkey

from oee_daemon.contract.decimals import decimal_text
from oee_daemon.contract.ranking import BPS
from oee_daemon.networks.holdings import Extension
from oee_daemon.networks.solana.solana_programs import TOKEN, TOKEN_2022

#: Bytes of a mint without extensions, and where the kind of account stands in one that has some.
_MINT_BYTES, _KIND_AT = 82, 165
#: The kind of account that is a mint.
_MINT_KIND = 1
#: Bytes of a wallet's account: of the first program, and at most of Token-2022, where it says that its owner
#: can't change (4), and by its mint what was kept of transfers (12), that it can't be sent (4), that a
#: program is asked (5) and that it can be paused (4).
ACCOUNT_BYTES, MOST_ACCOUNT_BYTES = 165, 165 + 1 + 4 + 12 + 4 + 5 + 4
_NOBODY = bytes(32)
#: Numbers of `ExtensionType`.
_FEE, _CLOSE, _STATE, _STUCK, _DELEGATE, _HOOK, _METADATA, _PAUSE = 1, 3, 6, 9, 12, 14, 19, 26


class NoMint(ValueError):
    """The account is no mint that can be read."""


@dataclass(frozen=True, slots=True)
class TransferFee:
    """What is kept of every transfer: basis points of it, and base units at most; from an epoch on."""

    epoch: int
    most: int
    bps: int

    def of(self, amount: int) -> int:
        """What is kept of it."""
        return min(self.most, -(-amount * self.bps // BPS))

    def before(self, amount: int) -> int:
        """What has to be sent for `amount` to arrive: `calculate_pre_fee_amount` of Token-2022."""
        if self.bps in (0, BPS):
            return amount + (self.most if self.bps else 0)
        gross = -(-amount * BPS // (BPS - self.bps))
        return amount + self.most if gross - amount >= self.most else gross


@dataclass(frozen=True, slots=True, kw_only=True)
class Mint:
    """`symbol` and `name` are what the mint says of itself. `fees`: the older and the newer, where there are
    any; `fee_authority`, `close_authority`: who may set them, and who may close the mint; `hook`: the program
    that each transfer is passed to."""

    program: str
    decimals: int
    supply: int
    mint_authority: str | None
    freeze_authority: str | None
    extensions: tuple[Extension, ...] = ()
    fees: tuple[TransferFee, TransferFee] | None = None
    fee_authority: str | None = None
    close_authority: str | None = None
    hook: str | None = None
    symbol: str | None = None
    name: str | None = None

    @property
    def worst_fee(self) -> TransferFee:
        """The more that may be kept of a transfer, now or from the next epoch on."""
        return self.fee_in(())

    def fee_in(self, epochs: Collection[int]) -> TransferFee:
        """The more that is kept of a transfer in any of them; in whichever it is where none is known."""
        older, newer = self.fees or (TransferFee(0, 0, 0),) * 2
        # `TransferFeeConfig::get_epoch_fee` of Token-2022.
        held = {newer if epoch >= newer.epoch else older for epoch in epochs} or {older, newer}
        return TransferFee(0, max(fee.most for fee in held), max(fee.bps for fee in held))


def read_mint(owner: str, data: bytes) -> Mint:
    """The mint of an account that the program `owner` owns. Raises `NoMint`."""
    if owner not in (TOKEN, TOKEN_2022):
        raise NoMint("no token program owns it")
    extended = owner == TOKEN_2022 and len(data) > _KIND_AT
    if len(data) != _MINT_BYTES and not (extended and data[_KIND_AT] == _MINT_KIND):
        raise NoMint("it is no mint")
    supply, decimals, made = struct.unpack_from("<QBB", data, 36)
    if made != 1 or any(data[_MINT_BYTES:_KIND_AT]):
        raise NoMint("it is no mint that was made")
    found = dict(_entries(data[_KIND_AT + 1 :])) if extended else {}
    try:
        return Mint(
            program=owner,
            decimals=decimals,
            supply=supply,
            mint_authority=_option(data, 0),
            freeze_authority=_option(data, 46),
            extensions=tuple(_extension(number, content, decimals) for number, content in found.items()),
            fees=_fees(found[_FEE]) if _FEE in found else None,
            fee_authority=_somebody(found[_FEE], 0) if _FEE in found else None,
            close_authority=_somebody(found[_CLOSE], 0) if _CLOSE in found else None,
            hook=_somebody(found[_HOOK], 32) if _HOOK in found else None,
            name=_texts(found[_METADATA])[0] if _METADATA in found else None,
            symbol=_texts(found[_METADATA])[1] if _METADATA in found else None,
        )
    except (struct.error, IndexError, UnicodeDecodeError):
        raise NoMint("an extension of it can't be read") from None


def _entries(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each extension once, in their order: number and content. Raises `NoMint`."""
    seen, at = set(), 0
    # Number 0 is what the account has room for and does not use.
    while at + 4 <= len(data) and (head := struct.unpack_from("<HH", data, at))[0]:
        number, length = head
        if at + 4 + length > len(data) or number in seen:
            raise NoMint("its extensions can't be read")
        seen.add(number)
        yield number, data[at + 4 : at + 4 + length]
        at += 4 + length
    if any(data[at:]):
        raise NoMint("its extensions can't be read")


def _option(data: bytes, at: int) -> str | None:
    """An address behind four bytes that say whether there is one."""
    said = int.from_bytes(data[at : at + 4], "little")
    if said > 1:
        raise NoMint("it is no mint")
    return str(Pubkey(data[at + 4 : at + 36])) if said else None


def _somebody(content: bytes, at: int) -> str | None:
    """An address, of which zeros mean nobody."""
    if len(content) < at + 32:
        raise struct.error
    found = content[at : at + 32]
    return None if found == _NOBODY else str(Pubkey(found))


def _fees(content: bytes) -> tuple[TransferFee, TransferFee]:
    older, newer = (TransferFee(*struct.unpack_from("<QQH", content, at)) for at in (72, 90))
    return older, newer


def _texts(content: bytes) -> tuple[str, str]:
    """Name and symbol, behind the authority and the mint."""
    found, at = [], 64
    for _ in range(2):
        (length,) = struct.unpack_from("<I", content, at)
        if at + 4 + length > len(content):
            raise struct.error
        found.append(content[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return found[0], found[1]


def _transfer_fee(content: bytes, decimals: int) -> Extension:
    older, newer = _fees(content)
    said = [f"{decimal_text(Decimal(fee.bps) / 100)} % of every transfer" for fee in (older, newer)]
    most = decimal_text(Decimal(newer.most).scaleb(-decimals))
    text = f"{said[1]}, at most {most}"
    if (older.bps, older.most) != (newer.bps, newer.most):
        text += f" from epoch {newer.epoch} on; {said[0]} before"
    return Extension("transfer-fee", text)


def _transfer_hook(content: bytes, _decimals: int) -> Extension:
    authority, program = _somebody(content, 0), _somebody(content, 32)
    if program is not None:
        why = f"the program {program} decides whether a transfer passes"
    elif authority is not None:
        why = f"{authority} can name a program that stops transfers"
    else:
        return Extension("transfer-hook", "none is named, and nobody can name one")
    return Extension("transfer-hook", why, risk=True)


def _account_state(content: bytes, _decimals: int) -> Extension:
    if content[0] == 2:
        return Extension("default-frozen", "what you receive is frozen until somebody thaws it", risk=True)
    return Extension("default-account-state", "new accounts are not frozen")


def _permanent_delegate(content: bytes, _decimals: int) -> Extension:
    delegate = _somebody(content, 0)
    if delegate is None:
        return Extension("permanent-delegate", "nobody is one")
    return Extension("permanent-delegate", f"{delegate} can take it out of every wallet", risk=True)


def _pausable(content: bytes, _decimals: int) -> Extension:
    authority, paused = _somebody(content, 0), content[32]
    if paused:
        return Extension("pausable", "all transfers are paused", risk=True)
    if authority is None:
        return Extension("pausable", "nobody can pause transfers any more")
    return Extension("pausable", f"{authority} can pause all transfers", risk=True)


def _non_transferable(_content: bytes, _decimals: int) -> Extension:
    return Extension("non-transferable", "it can't be sent, and so never be sold", risk=True)


def _mint_close(content: bytes, _decimals: int) -> Extension:
    authority = _somebody(content, 0)
    return Extension("mint-close-authority", f"{authority or 'nobody'} can close the mint once none is left")


#: What says more of itself than its name.
_TOLD: Mapping[int, Callable[[bytes, int], Extension]] = {
    _FEE: _transfer_fee,
    _CLOSE: _mint_close,
    _STATE: _account_state,
    _STUCK: _non_transferable,
    _DELEGATE: _permanent_delegate,
    _HOOK: _transfer_hook,
    _PAUSE: _pausable,
}
#: What neither takes tokens back nor stops them. An amount is in base units whatever a wallet shows of it.
_HARMLESS: Mapping[int, str] = {
    4: "confidential-transfer",
    10: "interest-bearing",
    16: "confidential-transfer-fee",
    18: "metadata-pointer",
    _METADATA: "metadata",
    20: "group-pointer",
    21: "group",
    22: "group-member-pointer",
    23: "group-member",
    24: "confidential-mint-burn",
    25: "scaled-ui-amount",
    28: "permissioned-burn",
}


def _extension(number: int, content: bytes, decimals: int) -> Extension:
    if number in _TOLD:
        return _TOLD[number](content, decimals)
    if number in _HARMLESS:
        return Extension(_HARMLESS[number])
    return Extension(f"extension-{number}", "nobody here knows what it does", risk=True)
