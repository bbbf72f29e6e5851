"""The RPC endpoints of a real network, as the daemon found them: a line each, and what to do about it.

One that the engine can't use costs nothing while another is good; only where none is do orders wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_finding import Finding, fail, info, ok, warn
from oee_cli.text.amount_text import counted
from oee_cli.text.time_text import span_text
from oee_daemon.contract.real_money import KEYLESS

_NAME = "endpoint"
#: Milliseconds that the clock may be off for sure: orders begin at moments.
_OFF_MS = 250

#: What each problem means, for people; `{…}` are fields of the endpoint.
_SENTENCES = {
    "silent": "says nothing: {fault}",
    "other_chain": "is of another chain (genesis {genesis})",
    "wrong_height": "puts block {height} at slot {slot}, which can't be: what it misses counts for nothing",
    "other_fork": "shows another block than others at the same slot: one of them follows a fork that lost",
    "no_simulation": "does not simulate swaps as the guard needs it: nothing is signed by its word",
    "lags": "is {lag} slots behind the furthest",
    "no_history": "keeps no history: it can't tell what became of an old swap",
    "pruned": "keeps the last {reachesBack} slots: it can't tell what became of an older swap",
    "no_blocks": "tells no blocks: what became of an old swap it tells by the wallet's list alone, where"
    " that has a transaction of before",
    "no_list": "lists no transactions of a wallet: it can't tell what was executed after a failover",
    "no_holders": "does not tell who holds a token: oee snipe MINT needs another endpoint for that",
    "no_batches": "takes one call a request: it is asked more often, and slower",
    "plain_http": "is asked over http: whoever is on the way can read and change what it says. Use https",
    "maybe_same_operator": "may be of the same operator as {maybeSame}: then their word counts once",
}
#: Those that cost an engine with other good endpoints nothing.
_MILD = frozenset(
    {"pruned", "no_history", "no_blocks", "no_list", "no_holders", "no_batches", "maybe_same_operator"}
)


def check_endpoints(facts: Facts) -> Iterator[Finding]:
    found = facts.endpoints
    for one in found:
        yield _finding_of(one)
    yield from _clock(facts)
    yield from _check_contests(facts)
    if _of_one_operator(found):
        message = "All are of one operator: nobody else tells what a swap would do before it is signed."
        yield info("endpoints", "one_operator", message, _set_another(facts))
    good = [one for one in found if one.get("good")]
    if found and not good:
        message = "None of them can be used: no order moves, and none is lost."
        yield fail("endpoints", "no_good_endpoint", message, _set_another(facts))
    elif found and _signs(facts) and all(one.get("simulates") is False for one in good):
        message = "None of them simulates swaps: none is signed, and each order fails."
        yield fail("endpoints", "no_simulation", message, _set_another(facts))
    if good and all(one.get("history") in ("none", "pruned") for one in good):
        message = "None keeps all history: an order that waited through a long outage may stay undecided."
        yield warn("endpoints", "no_full_history", message, _set_another(facts))


def _check_contests(facts: Facts) -> Iterator[Finding]:
    """Where workers have been told different things of a landing for long: its order stands still."""
    workers = [one for one in (facts.status or {}).get("workers") or () if isinstance(one, dict)]
    contested = list(dict.fromkeys(one for worker in workers for one in worker.get("contested") or ()))
    if contested:
        whether = f"{contested[0]} landed, or what it did"
        others = f", nor of {counted(len(contested) - 1, 'other')}" if len(contested) > 1 else ""
        message = f"They don't agree whether {whether}{others}: until they do, or one is removed, its order"
        message += " stays submitted. An explorer of the chain shows which of them is wrong."
        yield warn("endpoints", "endpoints_disagree", message, _set_another(facts))


def _signs(facts: Facts) -> bool:
    return ((facts.status or {}).get("network") or facts.text("network")) not in KEYLESS


def _clock(facts: Facts) -> Iterator[Finding]:
    """The clock of the daemon's machine, by the dates of all endpoints; nothing where they contradict each
    other."""
    told = [one for one in facts.endpoints if one.get("clockAheadMs")]
    least = max((one["clockAheadMs"][0] for one in told), default=0)
    most = min((one["clockAheadMs"][1] for one in told), default=0)
    if not told or least > most:
        return
    names = " and ".join(str(one.get("name")) for one in told)
    if least <= _OFF_MS and most >= -_OFF_MS:
        within = span_text(max(-least, most) / 1000)
        yield ok("clock", f"the daemon's is less than {within} from that of {names}")
        return
    way, moment = ("ahead of", "early") if least > 0 else ("behind", "late")
    begin = f": launches begin {moment}" if facts.part("postgres").get("own") else ""
    message = f"The daemon's is at least {span_text(max(least, -most) / 1000)} {way} that of {names}{begin}."
    yield warn("clock", "clock_off", message, "timedatectl set-ntp true" if facts.here else None)


def _of_one_operator(found: Sequence[dict[str, Any]]) -> bool:
    """A chain of this machine is one's own."""
    if not found or found[0].get("transport") == "local":
        return False
    same = found[0].get("maybeSame") or ()
    return all(other.get("name") in same for other in found[1:])


def _finding_of(one: dict[str, Any]) -> Finding:
    problems = [code for code in one.get("problems") or () if code in _SENTENCES]
    if not problems:
        return ok(_NAME, f"{one.get('name')}: {_praise(one)}")
    words = {name: "?" if value is None else value for name, value in one.items()}
    words["maybeSame"] = " and ".join(one.get("maybeSame") or ())
    sentences = "; ".join(_SENTENCES[code].format(**words) for code in problems)
    message = f"{one.get('name')} {sentences}."
    if one.get("good") and _MILD.issuperset(problems):
        return info(_NAME, problems[0], f"{message} Else: {_praise(one)}.")
    return warn(_NAME, problems[0], message)


def _praise(one: dict[str, Any]) -> str:
    """What it is like, for one that answers."""
    lag = one.get("lag")
    parts = [
        f"version {one['version']}" if one.get("version") else "",
        "furthest" if lag == 0 else f"{lag} slots behind" if lag is not None else "",
        {"full": "full history"}.get(str(one.get("history")), ""),
        _batches(one),
        "simulates" if one.get("simulates") else "",
        f"{one['latencyMs']:,} ms" if one.get("latencyMs") is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def _batches(one: dict[str, Any]) -> str:
    if not one.get("batches"):
        return ""
    return f"batches of {one['largestBatch']}" if one.get("largestBatch") else "batches"


def _set_another(facts: Facts) -> str | None:
    """The command that names others, for settings of this machine."""
    return "oee config set rpc_urls https://…" if facts.here else None
