"""The command line's table of settings against the engine's own, and what of a value is never shown."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from oee_cli.api import recent
from oee_cli.settings import table as setting_table
from oee_cli.settings.load import default_home
from oee_cli.settings.origins import unknown
from oee_cli.settings.table import BY_NAME, MASK, SETTINGS, masked, near, plain
from oee_daemon import settings as engine

THEIRS = {
    field.name: field.metadata["read"]
    for field in fields(engine.Settings)
    if not field.metadata.get("hidden")
}
#: Something of every kind that any setting takes, and the edges of each.
TEXTS = [
    *("0", "1", "10", "200", "201", "1000", "1001", "65535", "65536", "60000", "60001", "600000", "600001"),
    *("100", "101", "-1", "1.5", "0.05", "1.0", "1.1", "NaN", "inf", "1e-3", "٣", "true", "yes", "no", ""),
    *(str(2**62), str(2**62 + 1), "9" * 20),
    *("desk", "Desk.example, 10.0.0.7,fd00::1", "desk:3000", "a,,b", "*", "http://desk"),
    *(
        "/tmp/x",
        "/tmp/größe",
        "/tmp/\udcff",
        "~/x",
        "~nobody-of-that-name/x",
        "here",
        "info",
        "debug",
        "INFO",
        "simulated",
        "mainnet",
    ),
    *(
        "postgres://h/d",
        "postgresql+psycopg://h/d",
        "mysql://h",
        "redis://h",
        "rediss://h",
        "unix:///s",
        "http://h",
    ),
]


def said(read: object, text: str) -> tuple[str, str]:
    """What a reader makes of a text: the value, or what it would take."""
    assert callable(read)
    try:
        return "is", str(read(text))
    except ValueError as wanted:
        return "takes", str(wanted)


def test_every_setting_of_the_engine_is_in_the_table_and_none_besides() -> None:
    ours = {setting.name for setting in SETTINGS if setting.reader != "command"}
    assert ours == set(THEIRS), "oee_cli/settings/table.py and oee_daemon/settings.py differ"


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_a_setting_takes_here_what_it_takes_there_and_says_so_in_the_same_words(name: str) -> None:
    assert {t: said(BY_NAME[name].read, t) for t in TEXTS} == {t: said(THEIRS[name], t) for t in TEXTS}


def test_the_defaults_are_the_same(tmp_path: Path) -> None:
    dumped = engine.load({}, tmp_path / "none.toml").dump()
    assert dumped.pop("home") == str(default_home())
    ours = {s.name: s.default for s in SETTINGS if s.name in THEIRS and s.default is not None}
    assert ours == dumped


def test_the_file_is_the_same() -> None:
    from oee_cli.settings import load as settings

    assert settings.config_file() == engine.config_file()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:hunter2@host:5432/db", f"postgresql://me:{MASK}@host:5432/db"),
        ("postgresql://me:hun@ter/2@host/db", f"postgresql://me:{MASK}@host/db"),
        ("redis://:hunter2@host:6379/0", f"redis://:{MASK}@host:6379/0"),
        ("postgresql://h/db?user=me&password=hunter2&x=1", f"postgresql://h/db?user=me&password={MASK}&x=1"),
        ("https://me:hunter2@host/", f"https://me:{MASK}@host/"),
        ("unix:///run/valkey.sock?db=1", "unix:///run/valkey.sock?db=1"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
    ],
)
def test_a_password_is_never_shown_and_the_rest_is(address: str, shown: str) -> None:
    assert masked(address) == shown
    assert "hunter2" not in masked(address) and "ter/2" not in masked(address)


def test_what_holds_a_secret_is_marked_as_such() -> None:
    hidden = {setting.name for setting in SETTINGS if setting.hidden}
    assert hidden == {s.name for s in SETTINGS if s.name.endswith(("url", "token"))}
    assert BY_NAME["token"].shown("abcdefgh") == MASK
    assert BY_NAME["port"].shown("3000") == "3000"


def test_a_name_in_any_spelling_and_the_nearest_to_one_that_is_none() -> None:
    assert [plain(name) for name in ("OEE_PORT", "Port", "worker-threads")] == [
        "port",
        "port",
        "worker_threads",
    ]
    assert (near("OEE_DATABSE_URL"), near("thread"), near("xyzzy")) == (
        "database_url",
        "worker_threads",
        None,
    )
    assert near("max-attempt") == "max_attempts"


def test_what_is_set_in_vain_is_told_with_what_was_meant() -> None:
    environ = {"OEE_PORT": "1", "OEE_PROT": "1", "OEE_DEBUG": "1", "OEE_EMPTY": "", "PORT": "1"}
    kept = {"home": "/x", "wroker_threads": "3", "debug": "1", "colour": "red"}
    assert list(unknown(environ, kept)) == [
        ("OEE_PROT", "the environment", "OEE_PORT"),
        ("wroker_threads", "config.toml", "worker_threads"),
        ("debug", "config.toml", "the variable OEE_DEBUG"),
        ("colour", "config.toml", None),
    ]


def test_every_setting_says_what_it_means_in_a_line() -> None:
    assert all(setting.meaning and len(setting.meaning) < 60 for setting in setting_table.SETTINGS)
    assert recent.file_name(None) == "recent-orders"
