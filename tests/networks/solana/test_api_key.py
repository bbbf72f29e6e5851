"""The file with a key of an API: what is wrong with it is said, and never what is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from oee_daemon.networks.solana.solana_api_key import read_key
from oee_daemon.start_errors import BadSetting


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (b"hunter2\n", 0o644, "chmod 600"),
        (b"", 0o600, "holds no key"),
        (b"hunter2 hunter2", 0o600, "holds no key"),
        (b"hunter2\nhunter2", 0o600, "holds no key"),
        (b"\xff\xfe", 0o600, "it is no text"),
        (None, 0o600, "can't be read"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, content: bytes | None, mode: int, said: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    with pytest.raises(BadSetting) as caught:
        read_key(path)
    assert said in caught.value.message and "hunter2" not in caught.value.message


def test_a_good_one_is_its_line(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("hunter2\n")
    path.chmod(0o600)
    assert read_key(path) == "hunter2"
