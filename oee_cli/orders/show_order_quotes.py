"""The quotes of an order's attempts beside each other: which one was chosen, and why the others lost.

One set of columns for all attempts, so that an eye can go down it. Why a quote lost stands at the end of its
line, or below it where the screen is too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oee_cli.orders.show_explained import ComparedQuote, Difference, ExplainedAttempt
from oee_cli.output import clean
from oee_cli.text.amount_text import short_amount
from oee_cli.text.layout_text import Cell, Column, Line, align_cells, cell_len, choose_columns, column_widths
from oee_cli.text.order_lines_text import quote_words
from oee_cli.text.order_text import refused_quote_text, token_text
from oee_daemon.contract.shapes import Order

_COLUMNS = (
    Column("venue"),
    Column("", right=True),
    Column("price", right=True, rank=1),
    Column("fee", right=True, rank=3),
    Column("impact", right=True, rank=4),
    Column("answer", right=True, rank=5),
    Column(""),
    Column("", rank=6),
)
_WHY = len(_COLUMNS) - 1


def quote_lines(order: Order, attempts: Sequence[ExplainedAttempt], width: int) -> Iterator[list[Line]]:
    """The lines of each attempt's quotes; none where it got none."""
    titles = list(_COLUMNS)
    titles[1] = Column("would pay" if order["swapMode"] == "ExactOut" else "would get", right=True)
    rows = {a["attempt"]: [(q, _quote_cells(order, q)) for q in _rank_quotes(a["quotes"])] for a in attempts}
    prices = [cells for row in rows.values() for quote, cells in row if quote["error"] is None]
    widths = column_widths(titles, prices)
    widths[0] = max([widths[0], *(cell_len(cells[0].text) for row in rows.values() for _, cells in row)])
    left, gap, _ = choose_columns(titles, widths, width)
    titled = False
    for attempt in attempts:
        lines: list[Line] = []
        if not titled and any(quote["error"] is None for quote, _ in rows[attempt["attempt"]]):
            titled = True
            head = [Cell(column.title, "dim") for column in titles]
            lines.append(align_cells(titles, head, left, widths, gap))
        for quote, cells in rows[attempt["attempt"]]:
            lines += _draw_quote(titles, quote, cells, left, widths, gap)
        yield lines


def _draw_quote(
    columns: Sequence[Column],
    quote: ComparedQuote,
    cells: Sequence[Cell],
    left: Sequence[int],
    widths: Sequence[int],
    gap: int,
) -> Iterator[Line]:
    if quote["error"] is not None:
        yield [Cell(f"  {clean(quote['venue']):<{widths[0]}}{' ' * gap}{refused_quote_text(quote)}", "dim")]
        return
    yield align_cells(columns, cells, left, widths, gap)
    if _WHY not in left and cells[_WHY].text:
        yield [Cell(" " * (2 + widths[0] + gap)), cells[_WHY]]


def _rank_quotes(quotes: Sequence[ComparedQuote]) -> list[ComparedQuote]:
    """The best first, those without a price last."""
    return sorted(quotes, key=lambda q: (q["behindBps"] is None, q["behindBps"] or 0.0, q["venue"]))


def _quote_cells(order: Order, quote: ComparedQuote) -> list[Cell]:
    style = "dim" if quote["result"] == "lost" else ""
    words = (clean(quote["venue"]), *quote_words(order, quote))
    loss = Cell(_explain_loss(order, quote), "dim")
    return [*(Cell(word, style) for word in words), _quote_verdict(quote), loss]


def _quote_verdict(quote: ComparedQuote) -> Cell:
    if quote["result"] == "chosen":
        return Cell("chosen", "green")
    if quote["result"] == "past_bound":
        return Cell(f"{quote['pastBoundBps'] or 0:.0f} bps past the worst", "red")
    return Cell(f"{quote['behindBps'] or 0:.0f} bps behind", "bold")


def _explain_loss(order: Order, quote: ComparedQuote) -> str:
    """`4.49 USDC more: price +222, fee +5, impact +0`: the parts of the bps that it was behind."""
    if quote["behind"] is None or quote["result"] != "lost":
        return ""
    exact_out = order["swapMode"] == "ExactOut"
    token, more = (order["inputToken"], "more") if exact_out else (order["outputToken"], "less")
    text = f"{short_amount(quote['behind'])} {token_text(token)} {more}"
    return text if quote["because"] is None else f"{text}: {_loss_parts(quote, quote['because'])}"


def _loss_parts(quote: ComparedQuote, because: Difference) -> str:
    """In whole bps that add up to those that are shown."""
    fee, impact = round(because["fee"]), round(because["impact"])
    price = round(quote["behindBps"] or 0.0) - fee - impact
    return f"price {price:+d}, fee {fee:+d}, impact {impact:+d}"
