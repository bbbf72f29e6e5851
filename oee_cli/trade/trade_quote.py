"""`oee quote`: every venue's price."""

from __future__ import annotations

from oee_cli.api.client_http import session
from oee_cli.cli_errors import UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output
from oee_cli.text.request_text import TradeRequest, check_pair, make_order_body
from oee_daemon.contract.shapes import QuoteList


def quote_trade(
    base: str,
    token: str,
    amount: str | None,
    spend: str | None,
    receive: str | None,
    side: str,
    output: Output,
) -> ExitCode:
    """Every venue's price; trades nothing."""
    given = [("--spend", spend), ("--receive", receive)]
    (mine, other), (theirs, wrong) = given if side == "buy" else reversed(given)
    if wrong is not None:
        raise UsageFault(f"{theirs} does not go with --side {side}.", hint=f"Use {mine} instead.")
    check_pair("quote", base, token, amount)
    if amount is None and other is None:
        raise UsageFault(
            f"Neither an amount nor {mine} was given: it takes one of them.",
            hint=f"oee quote {base} {token} 1.5\noee quote {base} {token} {mine} 200",
        )
    asked = make_order_body(
        TradeRequest(side=side, base=base, quote=token, amount=amount, spend=spend, receive=receive)
    )
    with session(output) as client:
        answer: QuoteList = client.get("/api/quotes", asked)
    if output.json:
        output.emit(answer)
    else:
        from oee_cli.text.order_lines_text import draw_quotes

        draw_quotes(output, answer)
    if not any(one["error"] is None for one in answer["quotes"]):
        output.sentence("✗", "no venue quotes it now.", "Why: the list above, or --json")
        return ExitCode.FAILED
    return ExitCode.DONE
