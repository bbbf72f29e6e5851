"""`oee wallet unlock` and `lock`: the passphrase goes over the daemon's socket, and is kept by nobody."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from oee_cli.api.client_http import Client
from oee_cli.api.client_lost_answers import may_be_done
from oee_cli.cli_errors import ConnectionLost
from oee_cli.output import Output
from oee_cli.text.future_text import instant_text
from oee_cli.text.time_text import parse_moment, read_whole_seconds
from oee_cli.wallet.wallet_asked_secrets import known_passphrase
from oee_cli.wallet.wallet_engine import local_settings, must_have_key

#: Seconds that opening a key may take: a worker may have to begin first.
_OPEN_S = 45.0


def unlock_wallet(for_: str | None, passphrase_file: str | None, output: Output) -> None:
    settings = local_settings("unlock")
    must_have_key(settings, None)
    for_s = None if for_ is None else read_whole_seconds(for_, "--for", most_days=366)
    with closing(Client(settings, output)) as client:
        client.ready()
        held = _ask(client, "GET", "/api/status").get("wallet") or {}
        if held.get("kind") == "plain":
            # Nothing is asked for that would be of no use: the daemon says why.
            _ask(client, "POST", "/api/wallet/lock")
        body = {"passphrase": known_passphrase(passphrase_file)} | ({} if for_s is None else {"forS": for_s})
        found = _ask(client, "POST", "/api/wallet/unlock", json=body)
    until = f" until {instant_text(parse_moment(found['unlockedUntil']))}" if found["unlockedUntil"] else ""
    output.answer(found, f"✓ unlocked{until}   {found['address']}")


def lock_wallet(output: Output) -> None:
    """Starts no daemon: where none runs, no key is in any memory."""
    settings = local_settings("lock")
    must_have_key(settings, None)
    with closing(Client(settings, output)) as client:
        if not client.launcher.answers():
            output.answer({"locked": True, "reason": "no daemon runs"}, "✓ locked: no daemon runs")
            return
        found = _ask(client, "POST", "/api/wallet/lock")
    output.answer(found, f"✓ locked   {found['address']}")


def _ask(client: Client, method: str, path: str, **how: Any) -> Any:
    try:
        return client.ask(method, path, timeout=_OPEN_S, **how)
    except ConnectionLost as lost:
        error = client.unreachable(lost)
        raise may_be_done(error) if lost.sent and method != "GET" else error from None
