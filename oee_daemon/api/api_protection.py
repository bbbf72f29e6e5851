"""Refuses a request that means another network, or whose sender has set more protection than this daemon has
in force, before it places or changes anything.

A client says both in a header each; one that says nothing is not asked.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from oee_daemon.api.api_placing import read_header
from oee_daemon.api.api_state import State, state_of
from oee_daemon.contract.protocol import HOME_HEADER, NETWORK_HEADER, SETTINGS_HEADER
from oee_daemon.contract.setting_protection import OF_WORKERS, PROTECTS, is_kept
from oee_daemon.contract.setting_table import BY_NAME
from oee_daemon.errors import Conflict, InvalidInput
from oee_daemon.networks.wallet.key_folder import wallet_path

#: Settings that one header may name; characters of a value that a sentence repeats.
_MOST, _SHOWN = 50, 80


#: Those headers, for the OpenAPI document.
MEANT = {
    NETWORK_HEADER.lower(): "the network that it is meant for: another one refuses it",
    SETTINGS_HEADER.lower(): "settings that have to be in force, encoded as a form: `max_order=5&tokens=SOL`",
}


async def check_meant(request: Request, is_known: Callable[[], bool] = lambda: False) -> None:
    """Raises `Conflict` where another network is meant, or a setting that was sent along is not in force, and
    `InvalidInput` where a header can't be read. `is_known`: whether the request finds what was placed before
    and places nothing; it is asked where a setting is not in force."""
    state = state_of(request)
    here = HOME_HEADER in request.headers
    _check_network(read_header(request, NETWORK_HEADER), state.network.name, here=here)
    text = read_header(request, SETTINGS_HEADER)
    if not text:
        return
    stated = _read_stated(text)
    lacking = {name: value for name, value in stated if not _is_in_force(state, name, value)}
    others = [] if lacking else await _workers_that_lack(state, stated)
    if (lacking or others) and not await run_in_threadpool(is_known):
        raise others[0] if others else _not_in_force(state, lacking, here=here)


def _check_network(meant: str | None, ours: str, *, here: bool) -> None:
    """Raises `Conflict`: an order that was meant for play money is not traded for any other."""
    if meant is not None and meant != ours:
        there = (
            "oee daemon restart" if here else "where the daemon runs, set the network, and oee daemon restart"
        )
        raise Conflict(
            f"The request is meant for the network {meant[:40]!r}, and this daemon trades on {ours}."
            " Nothing was stored.",
            code="other_network",
            field=NETWORK_HEADER,
            hint=f"To trade there: {there}. To trade here: OEE_NETWORK={ours}",
        )


def _read_stated(text: str) -> list[tuple[str, str]]:
    try:
        stated = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_MOST
        )
        # A setting that another release knows is refused as one that is not in force.
        return [(name, str(BY_NAME[name].read(text)) if name in PROTECTS else text) for name, text in stated]
    except ValueError:
        raise InvalidInput(
            f"{SETTINGS_HEADER} can't be read.",
            field=SETTINGS_HEADER,
            hint="It takes settings by name, encoded as a form: max_order=5&max_daily=100",
        ) from None


def _is_in_force(state: State, name: str, stated: str) -> bool:
    if name not in PROTECTS:
        return False
    told = _in_force(state, name)
    return is_kept(name, _same_words(state, name, stated), told and _same_words(state, name, told))


def _in_force(state: State, name: str) -> str | None:
    """The value that this daemon works with; `None` where nothing is set."""
    settings = state.settings
    if name == "venues":
        return ",".join(venue.name for venue in state.network.venues)
    if name == "wallet":
        return settings.wallet or settings.network
    return settings.dump().get(name)


def _same_words(state: State, name: str, text: str) -> str:
    """The value with one word for what may be called by several."""
    if name == "wallet":
        return str(wallet_path(replace(state.settings, wallet=text)))
    if name == "tokens":
        return ",".join(_mint_or_name(state, token) for token in text.split(","))
    return text


def _mint_or_name(state: State, token: str) -> str:
    try:
        return state.network.tokens.find(token, "tokens").mint
    except InvalidInput:
        # It is nobody's yet, or several tokens': until then it allows nothing.
        return token.lower()


async def _workers_that_lack(state: State, stated: list[tuple[str, str]]) -> list[Conflict]:
    """What is refused for workers of other hosts or shells, whose settings are their own: any may execute the
    order. While the queue is away nobody knows of one."""
    asked = [(name, value) for name, value in stated if name in OF_WORKERS]
    queue = await state.probes.queue() if asked else None
    found = []
    # The home's own has this daemon's settings; one that was ended is told of for some time.
    own = f"{state.around.home_id}:"
    for worker in queue.workers if queue else ():
        if str(worker["name"]).startswith(own):
            continue
        keeps: dict[str, str | None] = worker.get("keeps") or {}
        # Of one of a release that does not say it `oee doctor` tells.
        for name, value in asked if keeps else ():
            if not is_kept(name, value, keeps.get(name)):
                who = f"the worker on {worker['host']} (pid {worker['pid']})"
                said = f"{_say(name, value, who, keeps.get(name))} Nothing was stored."
                hint = f"Start that worker anew with OEE_{name.upper()}={shlex.quote(value)}: oee worker"
                code = "setting_not_in_force"
                found.append(Conflict(said, code=code, field=SETTINGS_HEADER, hint=hint))
    return found


def _say(name: str, stated: str, who: str, ours: str | None) -> str:
    works = "without it" if ours is None else f"with {ours[:_SHOWN]}"
    return f"OEE_{name[:_SHOWN].upper()} is {stated[:_SHOWN]}, but {who} works {works}."


def _not_in_force(state: State, lacking: dict[str, str], *, here: bool) -> Conflict:
    """`here`: the sender is of this machine and this home."""
    told = []
    for name, stated in lacking.items():
        ours = _in_force(state, name) if name in PROTECTS else None
        told.append(_say(name, stated, "the daemon", ours))
    name, stated = next(iter(lacking.items()))
    kept = f"oee config set {name[:_SHOWN]} {shlex.quote(stated)}"
    hint = f"Where it is set: oee daemon restart. For every shell, before that: {kept}"
    if not here:
        hint = f"Where the daemon runs: {kept}, and oee daemon restart. To go on without it: unset it here."
    return Conflict(
        f"{' '.join(told)} Nothing was stored.", code="setting_not_in_force", field=SETTINGS_HEADER, hint=hint
    )
