"""The table of settings against the engine's, and what of a value is never shown."""

from __future__ import annotations

from dataclasses import fields

import pytest

from oee_cli.api import client_recent_orders
from oee_cli.settings.settings_origins import unknown_settings
from oee_daemon import settings as engine
from oee_daemon.contract.setting_table import BY_NAME, MASK, SETTINGS, masked, near, plain


def test_the_engine_has_every_setting_that_the_table_says_it_reads() -> None:
    theirs = {field.name for field in fields(engine.Settings) if not field.metadata.get("hidden")}
    assert theirs == {setting.name for setting in SETTINGS if setting.reader != "command"}


def test_the_file_is_the_same() -> None:
    from oee_cli.settings import settings_load as settings

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


@pytest.mark.parametrize(
    ("addresses", "shown"),
    [
        ("https://rpc.example/hunter2", f"https://rpc.example/{MASK}"),
        ("https://rpc.example/?api-key=hunter2", f"https://rpc.example/{MASK}"),
        ("https://hunter2:hunter2@rpc.example:8899", f"https://{MASK}@rpc.example:8899"),
        ("https://a.example,https://b.example/hunter2", f"https://a.example,https://b.example/{MASK}"),
        ("http+unix://%2Frun%2Fnet.sock/node/x", "/run/net.sock"),
        ("/run/net.sock", "/run/net.sock"),
        ("http://[hunter2", MASK),
    ],
)
def test_of_an_address_that_may_hold_a_key_its_host_alone_is_shown(addresses: str, shown: str) -> None:
    assert BY_NAME["rpc_urls"].shown(addresses) == shown


def test_what_holds_a_secret_is_marked_as_such() -> None:
    hidden = {setting.name for setting in SETTINGS if setting.hidden}
    assert hidden == {s.name for s in SETTINGS if s.name.endswith(("url", "urls", "token", "notify"))}
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
    environ |= {"oee_network": "paper"}
    kept = {
        "home": "/x",
        "wroker_threads": "3",
        "debug": "1",
        "colour": "red",
        "of_all.limits.max_order": "5",
    }
    assert list(unknown_settings(environ, kept)) == [
        ("OEE_PROT", "the environment", "OEE_PORT"),
        ("oee_network", "the environment", "OEE_NETWORK"),
        ("wroker_threads", "config.toml", "worker_threads"),
        ("debug", "config.toml", "the variable OEE_DEBUG"),
        ("colour", "config.toml", None),
        ("of_all.limits.max_order", "config.toml", "max_order"),
    ]


def test_every_setting_says_what_it_means_in_a_line() -> None:
    assert all(setting.meaning and len(setting.meaning) < 60 for setting in SETTINGS)
    assert client_recent_orders.recent_file_name(None) == "recent-orders"
