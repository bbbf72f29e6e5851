"""What people import as a key: every spelling of one key is that key, and no error shows what was given."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.keypair import Keypair

from oee_daemon.errors import InvalidInput
from oee_daemon.networks.wallet.key_secret import read_secret_key

PAIR = Keypair.from_seed(bytes(range(32)))
OTHER = bytes(PAIR)[:32] + bytes(Keypair.from_seed(bytes(32)).pubkey())


@given(seed=st.binary(min_size=32, max_size=32))
def test_every_spelling_of_a_key_is_that_key(seed: bytes) -> None:
    pair = Keypair.from_seed(seed)
    spelt = [
        str(pair),  # base58, as solders writes it
        f"  {pair}\n",
        pair.to_json(),
        json.dumps(list(seed), indent=2),
        seed.hex(),
        f"0x{seed.hex().upper()}",
    ]
    assert {str(read_secret_key(text).pubkey()) for text in spelt} == {str(pair.pubkey())}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nothing came"),
        (" \n", "nothing came"),
        ("<html><body>Not found</body></html>", "spaces|base58 does not have"),
        (str(PAIR)[:-1] + "0", "characters that base58 does not have"),
        (str(PAIR)[:-2], "it has 63 bytes|public half"),
        (str(PAIR.pubkey()), "look the same as an address"),
        ("z" * 4000, "it has 4000 characters"),
        (json.dumps(list(OTHER)), "its public half is not that of its secret half"),
        ("[1,2,3]", "it has 3 bytes"),
        ("[]", "it has 0 bytes"),
        ("[256]", "no JSON list of bytes"),
        ("[-1]", "no JSON list of bytes"),
        ("[1.0]", "no JSON list of bytes"),
        ("[true]", "no JSON list of bytes"),
        ('["1"]', "no JSON list of bytes"),
        ("[" * 100_000, "no JSON list of bytes"),
        ("[1,2", "no JSON list of bytes"),
        ("ab" * 31, "bytes"),
        (" ".join(["abandon"] * 12), "12 words are a recovery phrase"),
    ],
)
def test_what_is_no_key_is_refused_without_showing_it(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as caught:
        read_secret_key(text)
    assert caught.value.code == "bad_key"
    said = f"{caught.value.message} {caught.value.hint}"
    assert not any(text[at : at + 8] in said for at in range(min(len(text), 200) - 8))


@given(text=st.text(max_size=200))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    try:
        read_secret_key(text)
    except InvalidInput as e:
        assert e.code == "bad_key"
