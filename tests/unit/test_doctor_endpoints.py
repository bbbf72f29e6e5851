"""What `oee doctor` says of RPC endpoints and of prices, by what the daemon found of them."""

from __future__ import annotations

from typing import Any

import pytest

from oee_cli.doctor.checks.check_endpoints import check_endpoints
from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_feeds import check_feeds
from oee_cli.doctor.checks.check_finding import FAIL, INFO, OK, WARN, Finding
from oee_cli.exit_codes import ExitCode
from oee_cli.settings.settings_origins import setting_values


def endpoint(name: str = "a.org", **changes: Any) -> dict[str, Any]:
    return {
        "name": name, "transport": "https", "good": True, "problems": [], "fault": None, "version": "4.1.2",
        "genesis": "g", "slot": 460, "height": 438, "lag": 0, "history": "full", "reachesBack": None,
        "batches": True, "largestBatch": 10, "simulates": True, "latencyMs": 41, "maybeSame": [],
    } | changes  # fmt: skip


def bad(*problems: str, **changes: Any) -> dict[str, Any]:
    return endpoint("b.org", good=False, problems=list(problems), **changes)


def found(*endpoints: dict[str, Any], network: str = "mainnet") -> list[Finding]:
    status = {"network": network}
    facts = Facts(values=setting_values({}, {}), endpoints=list(endpoints), status=status)
    return list(check_endpoints(facts))


def test_a_landing_that_they_do_not_agree_about_is_told_with_what_ends_that() -> None:
    """It was in the log alone, while its order stayed submitted."""
    workers = [{"host": "a", "contested": ["5ig"]}, {"host": "b", "contested": ["5ig", "6ig"]}, {"host": "c"}]
    facts = Facts(
        values=setting_values({}, {}),
        endpoints=[endpoint(), endpoint("b.org")],
        status={"network": "mainnet", "workers": workers},
    )
    one = next(f for f in check_endpoints(facts) if f.code == "endpoints_disagree")
    assert one.status == WARN and "5ig landed" in one.message and "1 other" in one.message
    assert "one is removed" in one.message and one.remedy and "rpc_urls" in one.remedy


def test_a_network_without_endpoints_is_not_spoken_of() -> None:
    assert found() == []


def test_a_good_one_is_told_with_what_it_is_like() -> None:
    one, _ = found(endpoint(lag=3), endpoint("b.org"))
    said = "a.org: version 4.1.2, 3 slots behind, full history, batches of 10, simulates, 41 ms"
    assert (one.check, one.status, one.message) == ("endpoint", OK, said)


@pytest.mark.parametrize(
    ("told", "status", "words"),
    [
        (bad("silent", fault="nothing within 2 s", version=None), WARN, "says nothing: nothing within 2 s"),
        (bad("other_chain", genesis="xyz"), WARN, "another chain (genesis xyz)"),
        (bad("wrong_height", height=460), WARN, "puts block 460 at slot 460"),
        (bad("other_fork"), WARN, "a fork that lost"),
        (
            endpoint(problems=["no_simulation"], simulates=False),
            WARN,
            "not simulate swaps as",
        ),
        (endpoint(problems=["lags"], lag=60), WARN, "60 slots behind"),
        (endpoint(problems=["plain_http"]), WARN, "Use https"),
        (endpoint(problems=["pruned"], history="pruned", reachesBack=300), INFO, "last 300 slots"),
        (endpoint(problems=["no_history"], history="none"), INFO, "no history"),
        (endpoint(problems=["no_batches"], batches=False), INFO, "one call a request"),
        (endpoint(problems=["no_blocks"]), INFO, "by the wallet's list alone"),
        (endpoint(problems=["no_list"]), INFO, "after a failover"),
        (endpoint(problems=["maybe_same_operator"], maybeSame=["x", "y"]), INFO, "operator as x and y"),
        (endpoint(problems=["lags", "a code of tomorrow"], lag=60), WARN, "60 slots behind"),
    ],
)
def test_each_problem_has_its_sentence_and_costs_nothing_beside_a_good_one(
    told: dict[str, Any], status: str, words: str
) -> None:
    _, one = found(endpoint("good.org"), told)
    assert (one.status, one.exit_code) == (status, ExitCode.DONE)
    assert words in one.message and one.code in told["problems"]


def test_where_none_is_good_commands_would_end_with_6() -> None:
    *_, last = found(bad("silent", fault="ConnectError"), bad("other_chain"))
    assert (last.status, last.code, last.exit_code) == (FAIL, "no_good_endpoint", ExitCode.UNREACHABLE)


def test_where_none_simulates_nothing_is_signed() -> None:
    none = endpoint(simulates=False, problems=["no_simulation"])
    *_, last = found(none, bad("silent", simulates=None))
    assert (last.status, last.code, last.exit_code) == (FAIL, "no_simulation", ExitCode.UNREACHABLE)
    assert FAIL not in [one.status for one in found(none, network="paper")]
    # One that says nothing of it may do it.
    for other in (endpoint("b.org"), endpoint("b.org", simulates=None)):
        assert FAIL not in [one.status for one in found(none, other)]


def test_where_none_keeps_all_history_it_is_said_once() -> None:
    *_, last = found(endpoint(history="none", problems=["no_history"]))
    assert (last.status, last.code) == (WARN, "no_full_history")
    # The wallet's list tells it where calls are taken one by one.
    assert "no_full_history" not in [one.code for one in found(endpoint(batches=False))]
    assert "no_full_history" not in [one.code for one in found(endpoint(history=None))]


@pytest.mark.parametrize(
    ("told", "so"),
    [
        ([endpoint()], True), ([endpoint(), endpoint("b.org")], False),
        ([endpoint(maybeSame=["b.org"]), endpoint("b.org", maybeSame=["a.org"])], True),
        ([endpoint(maybeSame=["b.org"]), endpoint("b.org"), endpoint("c.org")], False),
        # A chain of this machine is one's own.
        ([endpoint(transport="local")], False),
    ],
)  # fmt: skip
def test_one_operator_alone_is_told(told: list[dict[str, Any]], so: bool) -> None:
    assert ("one_operator" in [one.code for one in found(*told)]) is so


@pytest.mark.parametrize(
    ("ranges", "own", "status", "said"),
    [
        ([[-1800, 41]], True, OK, "less than 1.8 s from that of a.org"),
        # Not surely off by more than a quarter of a second.
        ([[250, 2_300]], True, OK, "less than 2.3 s from that of a.org"),
        ([[-1800, 900], [251, 2_300]], True, WARN, "251 ms ahead of that of a.org and b.org: launches"),
        ([[-4_000, -251]], True, WARN, "at least 251 ms behind that of a.org: launches begin late."),
        # A Postgres elsewhere has a clock of its own.
        ([[-4_000, -1_600]], False, WARN, "at least 1.6 s behind that of a.org."),
        ([None, [3_000, 4_000]], True, WARN, "ahead of that of b.org"),
        # They contradict each other: nobody knows which of the three is wrong.
        ([[-1800, 41], [3_000, 4_000]], True, None, ""),
        ([None], True, None, ""),
    ],
)  # fmt: skip
def test_the_clock_that_launches_begin_by_is_held_against_the_endpoints(
    ranges: list[list[int] | None], own: bool, status: str | None, said: str
) -> None:
    told = [endpoint(name, clockAheadMs=ms) for name, ms in zip(("a.org", "b.org"), ranges, strict=False)]
    facts = Facts(values=setting_values({}, {}), endpoints=told, status={"postgres": {"own": own}})
    of_clock = [one for one in check_endpoints(facts) if one.check == "clock"]
    assert [(one.status, one.exit_code) for one in of_clock] == ([(status, ExitCode.DONE)] if status else [])
    assert all(said in one.message for one in of_clock)
    assert all(one.remedy == "timedatectl set-ntp true" for one in of_clock if one.status == WARN)


@pytest.mark.parametrize(
    ("leads", "changes", "code", "said"),
    [
        (True, {}, None, "1 pair watched, the oldest price 400 ms old"),
        # Half a minute may be a slip.
        (True, {"state": "stale", "ageMs": 20_000}, None, "20"),
        (
            True,
            {"state": "stale", "ageMs": 41_000},
            "no_fresh_price",
            "no fresh price for 41.0 s: 3 orders wait",
        ),
        (
            True,
            {"state": "blind", "ageMs": None, "blindMs": 41_000},
            "no_fresh_price",
            "ever since it is watched",
        ),
        (True, {"state": "blind", "ageMs": None, "blindMs": None}, None, "1 pair watched"),
        (False, {}, "no_leader", "Nobody watches the prices that 5 orders wait for"),
    ],
)
def test_prices(leads: bool, changes: dict[str, Any], code: str | None, said: str) -> None:
    feed = {"pair": "SOL/USDC", "state": "live", "ageMs": 400, "waiting": 3} | changes
    told = {"leader": {"owner": "w"} if leads else None, "waiting": 5, "feeds": [feed]}
    (one,) = check_feeds(Facts(values=setting_values({}, {}), feeds=told))
    assert one.status == (OK if code is None else FAIL) and said in one.message
    assert code is None or one.code == code
    assert list(check_feeds(Facts())) == []


@pytest.mark.parametrize(
    ("told", "codes"),
    [
        ({"latched": 2}, ["latched_stops"]),
        ({"deferred": 3, "deferredMs": 59_000}, []),
        ({"latched": 1, "deferred": 3, "deferredMs": 61_000}, ["latched_stops", "deferred_orders"]),
    ],
)
def test_what_waits_although_its_price_was_there_is_a_warning(told: dict[str, int], codes: list[str]) -> None:
    facts = Facts(values=setting_values({}, {}), feeds={"leader": None, "waiting": 2, "feeds": []} | told)
    assert [found.code for found in check_feeds(facts)] == codes


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1, "1 order waits that none of OEE_VENUES may fill: it was accepted under others, and rests."),
        (2, "2 orders wait that none of OEE_VENUES may fill: they were accepted under others, and rest."),
    ],
)
def test_what_no_venue_may_fill_is_told_by_its_number(number: int, said: str) -> None:
    resting = {"orderId": "0c2f0b8e-1111-4222-8333-444455556666", "blocked": {"code": "no_venue"}}
    facts = Facts(values=setting_values({}, {}), feeds={"leader": None, "waiting": 3, "feeds": []})
    facts.waiting = [resting] * number + [{"orderId": "another", "blocked": None}]
    (found,) = check_feeds(facts)
    assert (found.message, found.remedy) == (said, "oee show 0c2f0b8e")
