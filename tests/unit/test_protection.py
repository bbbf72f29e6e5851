"""Which settings protect money, how strict the one in force has to be, and what a command says was set."""

from __future__ import annotations

import pytest

from oee_cli.cli_errors import UsageFault
from oee_cli.settings.settings_protection import stated_protection
from oee_daemon.contract.setting_protection import PROTECTS, is_kept
from oee_daemon.contract.setting_table import SETTINGS

#: The others, by hand: whoever adds a setting says whether somebody may count on it for his money.
NO_PROTECTION = {
    "home", "database_url", "redis_url", "host", "port", "hostnames",
    "url", "token", "no_autostart", "worker_threads", "max_active", "urgent_places",
    "max_attempts", "keep_days", "network", "real_money", "rpc_urls", "rpc_rate", "raydium_url",
    "jupiter_url", "jupiter_key_file", "jupiter_rate", "notify", "on_event", "wallet_passphrase_file",
    "paper_balance", "sim_seed", "sim_latency_ms", "sim_failure_rate", "sim_listing_slots", "sim_volatility",
    "sim_confirm_ms", "sim_ledger_file", "service_user", "log_level",
}  # fmt: skip


def test_of_every_setting_it_is_known_whether_it_protects_money() -> None:
    assert {setting.name for setting in SETTINGS} - set(PROTECTS) == NO_PROTECTION
    # What is sent along holds no secret.
    assert not any(setting.hidden for setting in SETTINGS if setting.name in PROTECTS)


@pytest.mark.parametrize(
    ("name", "stated", "in_force", "kept"),
    [
        ("max_order", "5", "5.00", True),
        ("max_order", "5", "4.99", True),
        ("max_order", "5", "5.01", False),
        ("max_order", "9", "10", False),
        ("max_order", "5", None, False),
        ("max_open", "9", "10", False),
        ("fee_cap", "50000", "5000", True),
        ("tokens", "SOL,USDC", "USDC", True),
        ("tokens", "USDC,SOL", "SOL,USDC", True),
        ("tokens", "SOL,USDC", "SOL,USDC,JUP", False),
        ("venues", "raydium", None, False),
        ("wallet", "small", "large", False),
        ("wallet", "small", "small", True),
    ],
)
def test_what_is_in_force_is_as_strict_or_it_is_not_kept(
    name: str, stated: str, in_force: str | None, kept: bool
) -> None:
    assert is_kept(name, stated, in_force) is kept


def test_what_was_set_is_sent_and_no_default() -> None:
    assert stated_protection({"OEE_PORT": "1", "PATH": "/bin"}, {}) == {}
    kept = {"max_order": "5.0", "wallet": "small", "fee_cap": "7000"}
    environ = {"OEE_MAX_ORDER": "", "OEE_FEE_CAP": "8000", "OEE_TOKENS": " SOL, USDC"}
    assert stated_protection(environ, kept) == {
        "max_order": "5.0",
        "wallet": "small",
        "fee_cap": "8000",
        "tokens": "SOL,USDC",
    }


@pytest.mark.parametrize(
    ("environ", "kept", "what"),
    [
        ({"OEE_MAX_ORDER": "abc"}, {}, "OEE_MAX_ORDER (from the environment) can't be 'abc'"),
        ({}, {"max_daily": "0"}, "OEE_MAX_DAILY (from config.toml) can't be '0'"),
        ({}, {"tokens": "['SOL']"}, "OEE_TOKENS (from config.toml) can't be"),
        ({"OEE_MAX_ODER": "5"}, {}, "OEE_MAX_ODER (from the environment) is no setting"),
        ({"oee_max_order": "5"}, {}, "oee_max_order (from the environment) is no setting"),
        ({}, {"max-order": "5"}, "max-order (from config.toml) is no setting"),
        ({}, {"of.our.limits.max_order": "5"}, "of.our.limits.max_order (from config.toml) is no setting"),
        ({}, {"slippage": "50"}, "slippage (from config.toml) is no setting"),
    ],
)
def test_what_protects_nothing_as_it_is_written_is_refused(
    environ: dict[str, str], kept: dict[str, str], what: str
) -> None:
    with pytest.raises(UsageFault) as caught:
        stated_protection(environ, kept)
    assert caught.value.message.startswith(what) and caught.value.hint


def test_what_else_does_nothing_keeps_nobody_from_trading() -> None:
    environ = {"OEE_PROT": "1", "OEE_TEST_KILLS": "9", "OEE_FUZZ_EXAMPLES": "9", "OEE_DEBUG": "1"}
    environ |= {"OEE_ALL": "x", "OEE_TOKEN_FILE": "x", "OEE_ORDER": "x"}
    assert stated_protection(environ, {"colour": "red", "wroker_threads": "3"}) == {}
