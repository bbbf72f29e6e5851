"""Mints of both programs, byte by byte: what they say, what of it is a risk, and what is no mint at all."""

from __future__ import annotations

import struct

import pytest
from solders.pubkey import Pubkey
from solders.token.state import Mint as SplMint

from oee_daemon.networks.solana.solana_mint_account import NoMint, read_mint
from oee_daemon.networks.solana.solana_programs import SYSTEM, TOKEN, TOKEN_2022

SOMEBODY, OTHER = bytes(range(1, 33)), bytes(range(33, 65))
WHO = str(Pubkey(SOMEBODY))
NOBODY = bytes(32)
FEE = struct.pack("<QQH", 7, 9_000_000, 50) + struct.pack("<QQH", 12, 5_000_000, 150)


def plain(decimals: int = 6, *, freeze: bool = False) -> bytes:
    return bytes(
        SplMint(
            Pubkey(OTHER),
            1_000,
            decimals,
            is_initialized=True,
            freeze_authority=Pubkey(SOMEBODY) if freeze else None,
        )
    )


def mint(*extensions: tuple[int, bytes], kind: int = 1, tail: bytes = b"") -> bytes:
    said = b"".join(struct.pack("<HH", number, len(content)) + content for number, content in extensions)
    return plain().ljust(165, b"\0") + bytes([kind]) + said + tail


def metadata(symbol: bytes) -> bytes:
    text = [struct.pack("<I", len(part)) + part for part in (b"Some name", symbol, b"https://x", b"")]
    return SOMEBODY + OTHER + b"".join(text)


def test_a_plain_mint_says_the_same_under_both_programs() -> None:
    for program in (TOKEN, TOKEN_2022):
        found = read_mint(program, plain(9, freeze=True))
        assert (found.program, found.decimals, found.supply) == (program, 9, 1_000)
        assert (found.mint_authority, found.freeze_authority) == (str(Pubkey(OTHER)), WHO)
        assert found.extensions == () and found.fees is None
    assert read_mint(TOKEN, plain()).freeze_authority is None


#: Number, content, name, whether it is a risk, and a part of what is said.
EXTENSIONS = [
    (
        1,
        SOMEBODY + OTHER + bytes(8) + FEE,
        "transfer-fee",
        False,
        "1.5 % of every transfer, at most 5 from epoch 12",
    ),
    (3, SOMEBODY, "mint-close-authority", False, WHO),
    (4, bytes(65), "confidential-transfer", False, ""),
    (6, b"\1", "default-account-state", False, "not frozen"),
    (6, b"\2", "default-frozen", True, "frozen until"),
    (9, b"", "non-transferable", True, "never be sold"),
    (10, bytes(52), "interest-bearing", False, ""),
    (12, SOMEBODY, "permanent-delegate", True, f"{WHO} can take it"),
    (12, NOBODY, "permanent-delegate", False, "nobody"),
    (14, NOBODY + SOMEBODY, "transfer-hook", True, f"the program {WHO}"),
    (14, SOMEBODY + NOBODY, "transfer-hook", True, f"{WHO} can name"),
    (14, NOBODY + NOBODY, "transfer-hook", False, "nobody can name"),
    (18, SOMEBODY + OTHER, "metadata-pointer", False, ""),
    (25, bytes(56), "scaled-ui-amount", False, ""),
    (26, SOMEBODY + b"\0", "pausable", True, f"{WHO} can pause"),
    (26, SOMEBODY + b"\1", "pausable", True, "are paused"),
    (26, NOBODY + b"\0", "pausable", False, "nobody"),
    (26, NOBODY + b"\1", "pausable", True, "are paused"),
    # The number of Pausable's instruction, and whatever comes after those that are known.
    (44, SOMEBODY + b"\0", "extension-44", True, "nobody here knows"),
    (29, bytes(8), "extension-29", True, "nobody here knows"),
]


@pytest.mark.parametrize(("number", "content", "name", "risk", "said"), EXTENSIONS)
def test_an_extension_is_named_and_a_risk_is_one(
    number: int, content: bytes, name: str, risk: bool, said: str
) -> None:
    for data in (mint((number, content)), mint((18, bytes(64)), (number, content), tail=bytes(6))):
        found = read_mint(TOKEN_2022, data).extensions[-1]
        assert (found.name, found.risk) == (name, risk)
        assert said in found.detail
        if number == 18:
            break


def test_a_fee_is_told_of_before_and_after_its_epoch_and_a_symbol_is_the_mints_own() -> None:
    found = read_mint(
        TOKEN_2022, mint((1, SOMEBODY + OTHER + bytes(8) + FEE), (19, metadata("ＵSDC".encode())))
    )
    assert found.fees is not None
    assert [(fee.epoch, fee.most, fee.bps) for fee in found.fees] == [
        (7, 9_000_000, 50),
        (12, 5_000_000, 150),
    ]
    assert found.symbol == "ＵSDC"


UNREADABLE = {
    "another program's": (SYSTEM, plain()),
    "empty": (TOKEN, b""),
    "a token account": (TOKEN, bytes(165)),
    "longer than a mint of the first program": (TOKEN, mint()),
    "not made yet": (TOKEN, plain()[:45] + b"\0" + plain()[46:]),
    "an account of Token-2022": (TOKEN_2022, mint(kind=2)),
    "a mint without its kind": (TOKEN_2022, plain().ljust(165, b"\0")),
    "something where zeros are": (TOKEN_2022, mint()[:100] + b"\1" + mint()[101:]),
    "an extension that is cut": (TOKEN_2022, mint((12, SOMEBODY))[:-1]),
    "an extension that is too short": (TOKEN_2022, mint((12, SOMEBODY[:-1]))),
    "a state without a state": (TOKEN_2022, mint((6, b""))),
    "a pause without its state": (TOKEN_2022, mint((26, SOMEBODY))),
    "a fee that is cut": (TOKEN_2022, mint((1, bytes(80)))),
    "an extension twice": (TOKEN_2022, mint((12, NOBODY), (12, SOMEBODY))),
    "an extension behind the end": (
        TOKEN_2022,
        mint((3, NOBODY), tail=bytes(4) + struct.pack("<HH", 12, 32) + SOMEBODY),
    ),
    "a symbol longer than the mint": (TOKEN_2022, mint((19, bytes(64) + struct.pack("<II", 0, 99)))),
    "an authority that is neither there nor not": (TOKEN, b"\2" + plain()[1:]),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_can_not_be_read_is_no_mint(what: str) -> None:
    with pytest.raises(NoMint):
        read_mint(*UNREADABLE[what])
