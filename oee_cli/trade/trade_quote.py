"""`oee quote`: every venue's price."""

from __future__ import annotations

from oee_cli.api.client_http import session
from oee_cli.cli_errors import UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output
from oee_cli.text.request_text import TradeRequest, check_pair, make_order_body
from oee_daemon.contract.shapes import QuoteList


def quote_trade(asked: TradeRequest, output: Output) -> ExitCode:
    """Every venue's price; trades nothing."""
    given = [("--spend", asked.spend), ("--receive", asked.receive)]
    (mine, other), (theirs, wrong) = given if asked.side == "buy" else reversed(given)
    if wrong is not None:
        raise UsageFault(f"{theirs} does not go with --side {asked.side}.", hint=f"Use {mine} instead.")
    check_pair("quote", asked.base, asked.quote, asked.amount)
    if asked.amount is None and other is None:
        pair = f"{asked.base} {asked.quote}"
        raise UsageFault(
            f"Neither an amount nor {mine} was given: it takes one of them.",
            hint=f"oee quote {pair} 1.5\noee quote {pair} {mine} 200",
        )
    body = make_order_body(asked)
    with session(output) as client:
        answer: QuoteList = client.get("/api/quotes", body)
    if output.json:
        output.emit(answer)
    else:
        from oee_cli.text.order_lines_text import draw_quotes

        draw_quotes(output, answer)
    if not any(one["error"] is None for one in answer["quotes"]):
        output.sentence("✗", "no venue quotes it now.", "Why: the list above, or --json")
        return ExitCode.FAILED
    return ExitCode.DONE
