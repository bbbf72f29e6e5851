"""`oee config` and `oee paths`: who wins, what is written, what is refused, and what of a file stays."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oee_cli import __main__
from oee_cli.cli_errors import UsageFault
from oee_cli.doctor import command as doctor_app
from oee_cli.doctor import doctor_paths
from oee_cli.settings.settings_file_edit import NotFlat, changed_text, edit_config
from oee_cli.settings.settings_load import Settings
from oee_daemon import settings as engine
from oee_daemon.contract.setting_table import SETTINGS, Setting, file_name

#: A value that is no default, by setting: what is written has to reach the engine as this.
GIVEN = {
    "wallet_passphrase_file": "/run/credentials/oee.service/passphrase",
    "home": "/srv/o ee",
    "database_url": "postgresql://me:p\"w\\d@h/d?x='y'#z",
    "redis_url": "redis://h/1",
    "host": "::1",
    "network": "simulated",
    "rpc_urls": "https://a.example/key,http+unix://%2Frun%2Fnet.sock",
    "rpc_rate": "50",
    "venues": "raydium,cpmm",
    "fee_cap": "50000",
    "jupiter_key_file": "/srv/jupiter.key",
    "jupiter_rate": "10",
    "max_impact": "100",
    "paper_balance": "2 SOL",
    "real_money": "mainnet",
    "raydium_url": "https://b.example",
    "jupiter_url": "https://c.example",
    "sim_failure_rate": "0.10",
    "sim_ledger_file": "/tmp/é.db",
    "on_event": "/usr/local/bin/told",
    "service_user": "nobody",
    "log_level": "debug",
}


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of this test; in the working folder, files that nobody may read."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("OEE_HOME", str(tmp_path / "home"))
    working = tmp_path / "working"
    (working / "oee").mkdir(parents=True)
    for name in ("config.toml", "oee.toml", ".oee.toml", ".env", "oee/config.toml"):
        (working / name).write_text('port = 6666\nOEE_PORT = 6666\nnetwork = "here"\n')
    monkeypatch.chdir(working)
    return tmp_path / "config" / "oee" / "config.toml"


class Said(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def oee(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> Said:
        code = __main__._run_guarded(list(arguments))
        return Said(code, *capsys.readouterr())

    return run


def test_a_file_in_the_working_folder_is_never_read(oee: Run, tmp_path: Path) -> None:
    told = oee("config", "show", "--json")
    assert {s["origin"] for s in json.loads(told.out)} == {"default", "environment"}
    assert oee("config", "get", "port").out == "3000\n"
    assert engine.load({}).port == 3000
    assert oee("config", "path").out == f"{tmp_path}/config/oee/config.toml\n"


def test_set_get_show_unset(oee: Run, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = oee("config", "set", "OEE_PORT", "4000")
    assert (first.code, first.out, first.err) == (0, f"✓ port   4000   ({config})\n", "")
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.parent.stat().st_mode) == 0o700
    assert "as it was" in oee("config", "set", "port", "4000").out
    monkeypatch.setenv("OEE_MAX_ATTEMPTS", "9")
    shown = oee("config", "show", "--origin").out
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines()}
    assert rows["port"] == ["4000", str(config)]
    assert rows["max_attempts"] == ["9", "OEE_MAX_ATTEMPTS"]
    assert rows["network"] == ["simulated", "default"]
    assert len(rows) == len(SETTINGS)
    loser = oee("config", "set", "max-attempts", "5")
    assert loser.code == 0 and "OEE_MAX_ATTEMPTS is set in the environment and wins: 9." in loser.err
    assert f"OEE_MAX_ATTEMPTS, over {config}" in oee("config", "show", "--origin").out
    assert oee("config", "get", "max_attempts").out == "9\n"
    gone = oee("config", "unset", "port")
    assert (gone.code, gone.out) == (0, "✓ port   3000   (the default)\n")
    assert config.read_text() == "max_attempts = 5\n"
    assert oee("config", "unset", "port").code == 0
    assert oee("config", "get", "url").out == "\n"


def test_json_says_all_of_it(oee: Run, config: Path) -> None:
    told = json.loads(oee("config", "set", "database_url", "postgresql://me:hunter2@h/d", "--json").out)
    assert told["value"] == told["inFile"] == "postgresql://me:***@h/d"
    assert (told["origin"], told["path"], told["overriddenBy"]) == ("file", str(config), None)
    everything = oee("config", "show", "--json").out + oee("config", "show", "--origin").out
    assert "hunter2" not in everything and "me:***@h" in everything
    # Asked for by name it is given, as `psql "$(…)"` wants it.
    assert oee("config", "get", "database_url").out == "postgresql://me:hunter2@h/d\n"
    keys = {"name", "variable", "value", "origin", "path", "default", "problem", "readBy", "meaning"}
    assert all(set(row) == keys | {"inForce"} for row in json.loads(oee("config", "show", "--json").out))


def test_what_is_no_setting_can_be_taken_out_of_the_file(oee: Run, config: Path) -> None:
    config.parent.mkdir(parents=True)
    config.write_text("prot = 1\nport = 2\n")
    assert oee("config", "unset", "prot").code == 0
    assert config.read_text() == "port = 2\n"
    assert oee("config", "unset", "prot").code == 2


def test_what_stands_in_a_table_is_told_and_left_to_its_author(oee: Run, config: Path) -> None:
    config.parent.mkdir(parents=True)
    config.write_text("[of.all]\nmax_order = 5\n")
    shown = " ".join(oee("config", "show").err.split())
    assert "of.all.max_order (from config.toml) is no setting" in shown and "Did you mean max_order?" in shown
    for name in ("of.all.max_order", "of"):
        gone = oee("config", "unset", name)
        assert gone.code == 2 and "by hand" in gone.err, gone.err
    placed = oee("buy", "SOL", "USDC", "1")
    assert placed.code == 2 and "of.all.max_order" in placed.err


def test_a_secret_is_taken_from_standard_input(
    oee: Run, config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("s3cret\nrest\n")
    with (tmp_path / "token").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        told = oee("config", "set", "token", "-")
    assert told.code == 0 and "s3cret" not in told.out + told.err
    assert tomllib.loads(config.read_text()) == {"token": "s3cret"}


@pytest.mark.parametrize(
    ("arguments", "what", "hint"),
    [
        (("set", "prot", "1"), "There is no setting 'prot'.", "Did you mean port?"),
        (("get", "xyzzy"), "There is no setting 'xyzzy'.", "oee config show"),
        (("set", "port", "70000"), "port can't be '70000': it takes a whole number from 0 to 65535.", ""),
        (("set", "database_url", "mysql://me:pw@h"), "database_url can't be that", ""),
        (("set", "log_level", "loud"), "one of debug, info, warning, error", ""),
        (("set", "host", "a\nb"), "one line of text", ""),
        (("set", "on_event", "/none"), "no program is there that may be executed", "chmod +x /none"),
        (("set", "port", ""), "can't be set to nothing", "oee config unset port"),
        (("set", "debug", "1"), "OEE_DEBUG is read from the environment only.", "export OEE_DEBUG"),
    ],
)
def test_what_is_refused_is_refused_before_anything_is_written(
    oee: Run, config: Path, arguments: tuple[str, ...], what: str, hint: str
) -> None:
    told = oee("config", *arguments)
    said = " ".join(told.err.split())
    assert told.code == 2 and told.out == ""
    assert what in said and hint in said and "pw" not in said
    assert not config.exists()


def test_a_value_that_cannot_be_is_told_and_not_hidden(oee: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OEE_PORT", "abc")
    monkeypatch.setenv("OEE_PROT", "1")
    shown = oee("config", "show")
    assert shown.code == 0 and "abc" in shown.out
    assert "OEE_PORT (from the environment) can't be 'abc'" in shown.err
    assert "Did you mean OEE_PORT?" in shown.err
    assert oee("config", "get", "port").code == 2


KEPT = """# mine\r
port = 3000   # why\r
\r
"OEE_MAX_ATTEMPTS" = '3'
sim_failure_rate=0.5
colours = [
  "port = 1",
]
[later]
port = 1
"""


def test_an_edit_touches_its_own_line_and_no_other() -> None:
    after = changed_text(KEPT, "port", "4000")
    assert after == KEPT.replace("3000   # why", "4000   # why")
    assert changed_text(KEPT, "max_attempts", "4") == KEPT.replace("'3'", "4")
    assert changed_text(KEPT, "port", None) == KEPT.replace("port = 3000   # why\r\n", "")
    added = changed_text(KEPT, "log_level", "debug")
    assert added == KEPT.replace("]\n[later]", ']\nlog_level = "debug"\r\n\n[later]')
    assert changed_text(KEPT, "host", None) == KEPT
    assert changed_text("", "port", "1") == "port = 1\n"
    assert changed_text("a = 1", "port", "1") == "a = 1\nport = 1\n"
    text = 'note = """\nport = 1\n"""\n'
    assert changed_text(text, "port", "2") == f"{text}port = 2\n"
    # Of two spellings the last one counts, here as for whoever reads it.
    assert changed_text("port = 1\nOEE_PORT = 2\n", "port", "3") == "OEE_PORT = 3\n"


@pytest.mark.parametrize(
    "text",
    [
        "port = [1,\n2]\n",
        "port = {a = 1}\n",
        "port.a = 1\n",
        "[port]\na = 1\n",
    ],
)
def test_a_table_or_an_array_in_its_place_is_left_alone(text: str, tmp_path: Path) -> None:
    with pytest.raises(NotFlat):
        changed_text(text, "port", "4")
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(UsageFault) as caught:
        edit_config(file, "port", "4")
    assert caught.value.code == "config_not_flat" and str(file) in caught.value.message
    assert file.read_text() == text and os.listdir(tmp_path).count("config.toml") == 1


KEYS = st.sampled_from(["port", "OEE_PORT", "host", "Max_Attempts", "note", "token"])
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
LINES = st.one_of(
    st.tuples(KEYS, st.integers(0, 99)).map(lambda kv: f"{kv[0]} = {kv[1]}"),
    st.tuples(KEYS, TEXT).map(lambda kv: f"  {kv[0]}={json.dumps(kv[1])} # {kv[1]}"),
    TEXT.map("# {}".format),
    st.just(""),
    st.just("[table]"),
)


@given(st.lists(LINES, max_size=8), st.none() | TEXT.filter(bool))
def test_any_file_is_changed_in_one_setting_or_not_at_all(lines: list[str], value: str | None) -> None:
    text = "\n".join(lines)
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    try:
        after = tomllib.loads(changed_text(text, "port", value))
    except NotFlat:
        return
    others = {k: v for k, v in before.items() if file_name(k) != "port"}
    assert {k: v for k, v in after.items() if file_name(k) != "port"} == others
    assert [str(v) for k, v in after.items() if file_name(k) == "port"] == ([] if value is None else [value])
    comments = [line for line in text.split("\n") if line.startswith("#")]
    assert [
        line for line in changed_text(text, "port", value).split("\n") if line.startswith("#")
    ] == comments


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.reader != "command"], ids=lambda s: s.name)
def test_what_is_written_reaches_the_engine(setting: Setting, config: Path) -> None:
    name = setting.name
    text = GIVEN.get(name, "7")
    assert edit_config(config, name, text)
    assert engine.load({}, config) == engine.load({f"OEE_{name.upper()}": text}, config.with_name("none"))


def test_a_link_stays_a_link_and_nothing_else_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "dotfiles"
    folder.mkdir()
    (folder / "oee.toml").write_text("port = 1\n")
    (folder / "config.toml").symlink_to("oee.toml")
    assert edit_config(folder / "config.toml", "port", "2")
    assert (folder / "oee.toml").read_text() == "port = 2\n"
    assert (folder / "config.toml").is_symlink() and len(os.listdir(folder)) == 2


def test_a_place_that_cannot_be_written_ends_with_4(oee: Run, config: Path) -> None:
    config.parent.parent.write_text("no folder")
    told = oee("config", "set", "port", "1")
    assert told.code == 4 and str(config.parent.parent) in told.err
    assert oee("config", "unset", "port").code in (0, 4)


def _set(config: Path, name: str) -> None:
    edit_config(config, name, "5")


def test_two_commands_at_once_lose_neither(config: Path) -> None:
    names = ["port", "max_attempts", "worker_threads", "max_active", "sim_seed", "sim_confirm_ms"]
    fork = multiprocessing.get_context("fork")
    running = [fork.Process(target=_set, args=(config, name)) for name in names]
    for process in running:
        process.start()
    for process in running:
        process.join(20)
    assert tomllib.loads(config.read_text()) == dict.fromkeys(names, 5)


def test_paths_are_where_the_daemon_puts_them(
    oee: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oee_daemon.home.home_folder import Home

    found = json.loads(oee("paths", "--json").out)
    assert tuple(found) == get_args(doctor_app.PathName)
    home = Home(engine.load())
    assert found["home"] == str(home.path) and found["logs"] == str(home.logs)
    assert found["socket"] == str(home.socket_path())
    assert [line.split()[0] for line in oee("paths").out.splitlines()] == list(found)
    assert oee("paths", "log").out == f"{tmp_path}/home/logs/daemon.log\n"
    assert oee("paths", "lgo").code == 2
    monkeypatch.setenv("OEE_DATABASE_URL", "postgresql://h/d")
    outside = oee("paths", "database")
    assert outside.code == 2 and "oee config get OEE_DATABASE_URL" in outside.err
    assert json.loads(oee("paths", "--json").out)["database"] is None
    assert "outside: OEE_DATABASE_URL" in oee("paths").out


def test_a_socket_whose_path_would_be_too_long_is_where_the_daemon_puts_it(tmp_path: Path) -> None:
    from oee_daemon.home.home_folder import Home

    long = tmp_path / ("x" * 120)
    long.mkdir()
    assert doctor_paths.socket_path(Settings(home=long)) == Home(engine.Settings(home=long)).socket_path()
