"""What protects money is in force again after a restart, and goes on for what was accepted under it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.test_not_in_force import not_in_force
from tests.kit.commands import QUICK, Cli
from tests.kit.homes import furnished


def test_a_restart_puts_it_in_force_and_a_start_without_it_says_so(homes: Path) -> None:
    cli = Cli(furnished(homes / "h"), **QUICK)
    day = {"OEE_MAX_DAILY": "100"}
    try:
        assert "max_daily" not in cli.run("daemon", "start").stderr
        not_in_force(cli.run("buy", "SOL", "USDC", "0.1", "--json", **day), "without it.")
        assert "max_daily" not in cli.run("daemon", "restart", **day).stderr
        assert cli.json("buy", "SOL", "USDC", "0.1", **day)["status"] == "confirmed"
        # Another shell, which knows nothing of it: what was in force is not gone without a word.
        again = cli.run("daemon", "restart")
        said = " ".join(again.stderr.split())
        assert again.returncode == 0 and "max_daily was 100 in the daemon that ran before" in said
        assert "in this one it is not set" in said and "oee config set max_daily 100" in said
        assert cli.run("daemon", "start").stderr == cli.run("history").stderr == ""
        cli.run("daemon", "restart", **day)
        cli.run("daemon", "stop")
        started = cli.run("history", OEE_MAX_DAILY="250")
        assert "in this one it is 250" in " ".join(started.stderr.split())
    finally:
        cli.run("daemon", "stop")


def test_what_was_accepted_under_it_goes_on_under_it_until_somebody_edits(homes: Path) -> None:
    """The daemon was started anew by a shell that knows nothing of it."""
    cli = Cli(furnished(homes / "h"), **QUICK)
    strict = {"OEE_MAX_IMPACT": "1"}
    buy = ("limit", "buy", "SOL", "USDC", "100", "--at", "146")
    try:
        kept = cli.json(*buy, **strict)["orderId"]
        assert cli.run("daemon", "restart").returncode == 0
        # As it is placed now it fires at once, at the same price.
        assert cli.json(*buy, "--wait")["status"] == "confirmed"
        # What nobody could fill a moment ago rests for 2 s.
        assert cli.run("watch", kept, "--timeout", "5").returncode == 124
        told = cli.json("show", kept)
        assert (told["status"], told["firings"]) == ("waiting", 0) and told["keeps"] == {"max_impact": 1}
        assert "to OEE_MAX_IMPACT=1, as it was accepted" in " ".join(cli.run("show", kept).stdout.split())
        # The order is what it was in all but that.
        assert cli.run("edit", kept, "--slippage", f"{told['slippageBps']}bps").returncode == 0
        assert cli.run("watch", kept, "--timeout", "20").returncode == 0
        again = cli.run("show", kept).stdout
        assert "keeps" not in again and "OEE_MAX_IMPACT 1 to unset" in " ".join(again.split())
    finally:
        cli.run("daemon", "stop")


def test_an_order_that_no_venue_may_fill_says_so_and_how_it_goes_on(homes: Path) -> None:
    """It rested, and nothing told why: neither itself, nor the list, nor the doctor."""
    cli = Cli(furnished(homes / "h"), **QUICK)
    one, other = {"OEE_VENUES": "raydium"}, {"OEE_VENUES": "meteora"}
    try:
        kept = cli.json("limit", "buy", "SOL", "USDC", "1", "--at", "100", **one)["orderId"]
        assert cli.json("show", kept, **one)["blocked"] is None
        assert cli.run("daemon", "restart", **other).returncode == 0
        assert cli.json("show", kept, **other)["blocked"] == {"code": "no_venue"}
        shown = " ".join(cli.run("show", kept, **other).stdout.split())
        assert "none of OEE_VENUES may fill it" in shown
        remedy = f"oee edit {kept[:8]} --slippage 50bps"
        assert remedy in shown
        assert f"See: oee show {kept[:8]}" in " ".join(cli.run("waiting", **other).stdout.split())
        checks = json.loads(cli.run("doctor", "--json", **other).stdout)["checks"]
        (found,) = (check for check in checks if check["code"] == "no_venue")
        assert "1 order waits" in found["message"] and found["remedy"] == f"oee show {kept[:8]}"
        assert cli.run(*remedy.split()[1:], **other).returncode == 0
        assert cli.json("show", kept, **other)["blocked"] is None
        checks = json.loads(cli.run("doctor", "--json", **other).stdout)["checks"]
        assert "no_venue" not in {check["code"] for check in checks}
    finally:
        cli.run("daemon", "stop")
