"""Settings: who wins, what is refused and how the refusal is worded."""

from __future__ import annotations

import os
import re
from dataclasses import FrozenInstanceError, fields
from decimal import Decimal
from pathlib import Path

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from oee_daemon import settings as settings_page
from oee_daemon.settings import Settings, load
from oee_daemon.start_errors import BadSetting


def test_the_defaults_are_the_contracts(tmp_path: Path) -> None:
    found = load({}, tmp_path / "none.toml")
    assert found.database_url is None and found.redis_url is None
    assert (found.host, found.port, found.worker_threads, found.max_attempts) == ("127.0.0.1", 3000, 10, 3)
    assert (found.network, found.sim_seed, found.sim_latency_ms) == ("simulated", 0, 200)
    assert (found.sim_failure_rate, found.sim_confirm_ms) == (Decimal("0.05"), 400)


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('port = 4000\nOEE_MAX_ATTEMPTS = 7\nsim_failure_rate = "0.5"\n')
    found = load({"OEE_PORT": "5000", "OTHER": "x"}, config)
    assert (found.port, found.max_attempts, found.sim_failure_rate) == (5000, 7, Decimal("0.5"))
    assert found.worker_threads == 10


@pytest.mark.parametrize(
    ("told", "refused"),
    [
        ("redis://u:p%3F@h:1/2?", None),
        ("redis://h?db=3", None),
        ("rediss://h/0?ssl_ca_certs=/c&ssl_cert_reqs=none", None),
        ("rediss://h/0?ssl_ca_data=-----BEGIN%20CERTIFICATE-----%0A", None),
        ("unix:///run/a b.sock?username=u&password=p&db=4", None),
        (
            "redis://u:p@h:1/2?family=0",
            "an address without family: after its ? may stand",
        ),
        ("redis://h?db=3&ssl_timeout=abc&max_connections=1", "an address without ssl_timeout: "),
        ("redis://h/0?ssl_cert_reqs=none", "ssl_cert_reqs only in an address that starts with rediss://"),
        ("rediss://h/0?ssl_min_version=771", "an address without ssl_min_version: "),
        ("rediss://u:geh?eim=1@h/0", "in a password that is %3F"),
        ("redis://:p%2Fw@/3/", None),
        ("redis:///1", None),
        ("unix://u:p@/run/v.sock", None),
        ("redis://h/x", "redis://HOST:PORT/NUMBER"),
        ("redis://h/-1", "redis://HOST:PORT/NUMBER"),
        ("redis://h/0/1", "redis://HOST:PORT/NUMBER"),
        ("redis://h:abc/0", "redis://HOST:PORT/NUMBER"),
        ("redis://h:70000", "redis://HOST:PORT/NUMBER"),
        ("redis://[::1/0", "redis://HOST:PORT/NUMBER"),
        ("redis:// h/0", "redis://HOST:PORT/NUMBER"),
        ("redis:h", "redis://HOST:PORT/NUMBER"),
        ("redis://:geh/eim@h/0", "in a password %2F stands for /"),
        ("redis://:geh#eim@h/0", "%23 for #"),
        ("unix:/run/v.sock", "unix:///PATH"),
        ("redis://h?db=x", "an address whose db is a number"),
    ],
)
def test_a_queue_s_address_says_where_it_is_and_what_would_not_count_is_refused_by_its_name(
    told: str, refused: str | None
) -> None:
    if refused is not None:
        with pytest.raises(BadSetting, match=re.escape(refused)) as caught:
            load({"OEE_REDIS_URL": told}, Path("/none"))
        assert "OEE_REDIS_URL" in caught.value.message and "eim" not in caught.value.message
        return
    found = load({"OEE_REDIS_URL": told}, Path("/none")).redis_url
    assert found == told.removesuffix("?")
    redis.Redis.from_url(found).connection_pool.make_connection()


def test_what_is_ours_to_say_in_a_queue_s_address_is_left_out() -> None:
    told = "redis://h:1?health_check_interval=30&db=3&protocol=3&decode_responses=true"
    assert load({"OEE_REDIS_URL": told}, Path("/none")).redis_url == "redis://h:1?db=3"


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("port = 4000\n")
    assert load({"OEE_PORT": ""}, config).port == 4000


@pytest.mark.parametrize(
    ("variable", "text", "takes"),
    [
        ("OEE_PORT", "65536", "a whole number from 0 to 65535"),
        ("OEE_PORT", "-1", "a whole number from 0 to 65535"),
        ("OEE_PORT", "80.0", "a whole number from 0 to 65535"),
        ("OEE_WORKER_THREADS", "0", "a whole number from 1 to 200"),
        ("OEE_MAX_ATTEMPTS", "many", "a whole number from 1 to 100"),
        ("OEE_SIM_FAILURE_RATE", "1.1", "a number from 0 to 1"),
        ("OEE_SIM_FAILURE_RATE", "NaN", "a number from 0 to 1"),
        ("OEE_SIM_FAILURE_RATE", "5%", "a number from 0 to 1"),
        ("OEE_NETWORK", "moon", "one of simulated, localnet, paper, devnet, mainnet"),
        ("OEE_VENUES", "cpmm,moon", "names separated by commas, of raydium, meteora, orca, jupiter, cpmm"),
        ("OEE_FEE_CAP", "4999", "a whole number from 5000 to 1000000000"),
        ("OEE_HOME", "here", "an absolute path"),
        ("OEE_HOSTNAMES", "a.example:3000", "names or addresses separated by commas, without ports"),
        ("OEE_HOSTNAMES", "a,,b", "names or addresses separated by commas, without ports"),
        ("OEE_HOSTNAMES", "http://a", "names or addresses separated by commas, without ports"),
        ("OEE_HOSTNAMES", "*", "names or addresses separated by commas, without ports"),
        ("OEE_HOSTNAMES", "a:3000", "names or addresses separated by commas, without ports"),
        *(
            ("OEE_HOST", told, "a name or an address without a port: 127.0.0.1, or 0.0.0.0 for every one")
            for told in ("127.0.0.1:3000", "http://h", "*", "a b", "256.1.1.1", "[::1]", "0.0.0.0/0")
        ),
        ("OEE_PAPER_BALANCE", "1 SOL, 2 SOL", "each token once"),
    ],
)
def test_a_bad_value_is_told_with_its_name_its_origin_and_what_it_takes(
    variable: str, text: str, takes: str, tmp_path: Path
) -> None:
    with pytest.raises(BadSetting) as caught:
        load({variable: text}, tmp_path / "none.toml")
    assert caught.value.message == f"{variable} (from the environment) can't be {text!r}: it takes {takes}."
    config = tmp_path / "config.toml"
    config.write_text(f'{variable.removeprefix("OEE_").lower()} = "{text}"\n')
    with pytest.raises(BadSetting) as caught:
        load({}, config)
    assert caught.value.message == f"{variable} (from {config}) can't be {text!r}: it takes {takes}."


@pytest.mark.parametrize(
    "host", ["10.0.0.7", "127.1", "::", "fe80::1%eth0", "Desk.corp.example", "größe.example", "a_b"]
)
def test_a_host_may_be_any_name_or_address(host: str) -> None:
    assert load({"OEE_HOST": host}, Path("/none")).host == host


@pytest.mark.parametrize("variable", ["OEE_RPC_URLS", "OEE_RAYDIUM_URL", "OEE_JUPITER_URL"])
def test_a_site_s_address_leads_somewhere(variable: str) -> None:
    for rest in ("h:abc", "h:70000", "h:0", "h/#f", "/x", "h /"):
        with pytest.raises(BadSetting, match="an address that starts with https://"):
            load({variable: f"https://{rest}"}, Path("/none"))
    if variable == "OEE_RPC_URLS":
        assert load({variable: "https://h:1/?api-key=x"}, Path("/none")).rpc_urls == "https://h:1/?api-key=x"
        return
    with pytest.raises(BadSetting, match="paths are put behind it"):
        load({variable: "https://h?x=1"}, Path("/none"))


def test_more_names_are_taken_in_any_spelling(tmp_path: Path) -> None:
    found = load({"OEE_HOSTNAMES": "Desk.corp.example, 10.0.0.7,FD00::1"}, tmp_path / "none.toml")
    assert found.hostnames == "desk.corp.example,10.0.0.7,fd00::1"


def test_a_path_that_is_not_utf_8_is_told_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OEE_HOME", "OEE_SIM_LEDGER_FILE"):
        with pytest.raises(BadSetting, match=rf"^{variable} .* it takes a path in UTF-8\.$"):
            load({variable: os.fsdecode(b"/tmp/\xff")}, tmp_path / "none.toml")
    # The default goes by HOME, and root's does not.
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", os.fsdecode(b"/tmp/\xff"))
    with pytest.raises(BadSetting, match="Set HOME, or OEE_HOME"):
        load({}, tmp_path / "none.toml")
    assert load({"OEE_HOME": "/tmp/größe"}, tmp_path / "none.toml").home == Path("/tmp/größe")


def test_an_account_without_a_home_folder_needs_only_oee_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    for folder in (nowhere, lambda *_, **__: Path("~/.config/oee")):  # by release of platformdirs
        monkeypatch.setattr(settings_page, "user_data_path", folder)
        monkeypatch.setattr(settings_page, "user_config_path", folder)
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert settings_page.config_file() is None
        assert load({"OEE_HOME": "/srv/oee"}).home == Path("/srv/oee")
        with pytest.raises(BadSetting, match="Set HOME, or OEE_HOME to a folder of yours"):
            load({})


@pytest.mark.parametrize("variable", ["OEE_DATABASE_URL", "OEE_REDIS_URL"])
def test_a_bad_address_is_never_shown_for_it_may_hold_a_password(variable: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting) as caught:
        load({variable: "mysql://me:hunter2@host/db"}, tmp_path / "none.toml")
    assert "hunter2" not in caught.value.message
    assert caught.value.message.startswith(f"{variable} (from the environment) can't be what it is set to")


def test_every_seed_up_to_its_bound_is_taken(tmp_path: Path) -> None:
    assert load({"OEE_SIM_SEED": str(2**62)}, tmp_path / "none.toml").sim_seed == 2**62


def test_the_home_of_an_account_that_is_not_there_is_a_bad_setting(tmp_path: Path) -> None:
    with pytest.raises(BadSetting):
        load({"OEE_HOME": "~no-such-account-here/oee"}, tmp_path / "none.toml")


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe", b"port 3000"])
def test_a_file_that_is_no_toml_is_told_by_its_path(content: bytes, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_bytes(content)
    with pytest.raises(BadSetting) as caught:
        load({}, config)
    assert caught.value.message.startswith(f"{config} is not valid TOML: ")


def test_a_file_that_can_not_be_read_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(BadSetting) as caught:
        load({}, tmp_path)
    assert caught.value.message == f"{tmp_path} can't be read: Is a directory."


@pytest.mark.parametrize(
    ("text", "takes"),
    [
        ("ftp://h/hunter2", "an address that starts with https:// or http://, or the path of a Unix socket"),
        ("https://h/hunter2, https://h/hunter2/", "addresses separated by commas, each of them once"),
        ("https://h,", "an address that starts with https:// or http://, or the path of a Unix socket"),
    ],
)
def test_a_bad_address_is_told_without_its_key(text: str, takes: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting) as caught:
        load({"OEE_RPC_URLS": text}, tmp_path / "none.toml")
    assert (
        caught.value.message
        == f"OEE_RPC_URLS (from the environment) can't be what it is set to: it takes {takes}."
    )


@given(
    st.builds(
        Settings,
        home=st.just(Path("/var/lib/oee with space")),
        database_url=st.none() | st.just("postgresql+psycopg://oee@/oee?host=/x%20y&port=5"),
        redis_url=st.none() | st.just("unix:///tmp/valkey.sock"),
        port=st.integers(0, 65535),
        worker_threads=st.integers(1, 200),
        max_attempts=st.integers(1, 100),
        keep_days=st.none() | st.integers(1, 36_500),
        sim_seed=st.integers(0, 10**18 - 1),
        sim_latency_ms=st.integers(0, 60_000),
        sim_failure_rate=st.decimals(0, 1, allow_nan=False),
        sim_confirm_ms=st.integers(0, 600_000),
        sim_ledger_file=st.none() | st.just(Path("/tmp/ledger.db")),
    )
)
def test_what_is_dumped_is_parsed_back(settings: Settings) -> None:
    dumped = settings.dump()
    assert all(type(text) is str for text in dumped.values())
    assert Settings.parse(dumped) == settings


def test_settings_are_frozen_and_every_field_has_a_reader() -> None:
    settings = Settings(home=Path("/x"))
    with pytest.raises(FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]
    assert all("read" in f.metadata for f in fields(Settings))


@pytest.mark.parametrize("given", [{}, {"OEE_REAL_MONEY": ""}])
def test_real_money_is_not_spent_by_a_setting_alone(given: dict[str, str], tmp_path: Path) -> None:
    asked = {"OEE_NETWORK": "mainnet", "OEE_HOME": str(tmp_path)}
    with pytest.raises(BadSetting, match="OEE_REAL_MONEY=mainnet"):
        load(asked | given, tmp_path / "none")
    found = load(asked | {"OEE_REAL_MONEY": "mainnet"}, tmp_path / "none")
    assert found.network == Settings.parse(found.dump()).real_money == "mainnet"


def test_a_file_that_was_edited_by_hand_confirms_nothing(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('network = "mainnet"\n')
    with pytest.raises(BadSetting, match="oee config set network mainnet"):
        load({"OEE_HOME": str(tmp_path)}, config)
    config.write_text('network = "mainnet"\nreal_money = "mainnet"\n')
    assert load({"OEE_HOME": str(tmp_path)}, config).network == "mainnet"
