"""`oee wallet remove`: the one command that can lose a key, so it asks twice."""

from __future__ import annotations

from decimal import Decimal

from oee_cli.api.client_http import Client, session
from oee_cli.cli_errors import CliError, Refused, UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output, clean
from oee_cli.settings.settings_load import Settings
from oee_cli.text.amount_text import exact_amount
from oee_cli.wallet.wallet_engine import ask_engine, check_name, local_settings
from oee_daemon.contract import home_files


def remove_wallet(name: str, yes: bool, output: Output) -> ExitCode:
    settings = local_settings("remove")
    check_name(name)
    rows = [row for row in ask_engine("list") if row["name"] == name]
    if not rows:
        raise UsageFault(
            f"There is no wallet {name}.", hint="Those there are: oee wallet list", code="no_wallet"
        )
    _refuse_in_use(settings, rows[0]["file"], output)
    if not yes and not _ask_person(name, rows[0]["address"], output):
        output.sentence("✗", "Nothing was removed.")
        return ExitCode.STOPPED
    removed = ask_engine("remove", name=name) | {"address": rows[0]["address"], "kind": rows[0]["kind"]}
    output.answer(removed, f"✓ removed   {name}   {rows[0]['address'] or ''}".rstrip())
    return ExitCode.DONE


def _refuse_in_use(settings: Settings, file: str, output: Output) -> None:
    """Raises `Refused` while orders that have not ended may still need the key, or while it may hold
    something. A home that no daemon has worked on has no orders, and nobody to ask what it holds."""
    if not (settings.home / home_files.ID).exists():
        return
    with session(output) as client:
        status = client.get("/api/status")
        if (status.get("wallet") or {}).get("file") != file:
            return
        held = _ask_worth(client)
    live = status["orders"]["live"]
    if live is None:
        raise Refused(
            "It is not known now whether orders still need this wallet: Postgres can't be reached.",
            hint="See: oee daemon status",
            code="wallet_in_use",
        )
    if count := sum(live.values()):
        raise Refused(
            f"{count} {'order has' if count == 1 else 'orders have'} not ended, and this is their wallet.",
            hint="See: oee history --status waiting,pending,routing,building,submitted",
            code="wallet_in_use",
        )
    if held:
        raise Refused(
            f"The engine works with this wallet, and {held}.",
            hint=f"See: oee balance. To have it out of the way and lose nothing, move its file: {file}",
            code="wallet_holds",
        )


def _ask_worth(client: Client) -> str:
    """Why the engine's wallet may be worth something; empty where it surely is not."""
    try:
        balances = client.get("/api/balances")["balances"]
    except CliError as e:
        # A network without balances moves nothing of anybody's.
        return "" if e.code == "no_balances" else "what it holds is not known now"
    holds = [
        f"{exact_amount(row['amount'])} {clean(row['symbol'])}" for row in balances if Decimal(row["amount"])
    ]
    return f"it holds {', '.join(holds[:3])}{' and more' * (len(holds) > 3)}" if holds else ""


def _ask_person(name: str, address: str | None, output: Output) -> bool:
    if not output.can_ask:
        raise UsageFault(
            "Removing a wallet is asked about at a terminal, and this is none.",
            hint=f"Where there is a backup, or nothing to lose: oee wallet remove {name} --yes",
            code="no_terminal",
        )
    output.sentence("●", f"Without a backup, all that {address or name} holds is lost for good.")
    return output.ask("Is there a backup of its file? (yes/no)") in ("y", "yes") and (
        output.ask("Type its name to remove it:") == name
    )
