"""What the venues said in an event, as rows: the one place where SQL reads an event's data.

Two forms are stored: `answers` in base units, and what releases up to 0.1.0 wrote, `quotes` in whole tokens.
All answers of one event are in the same form, so that ratios between them are right in both.
"""

#: One row for each venue that was asked, of the event `e`: `venue`, `amount_in`, `amount_out` and
#: `latency_ms`, and `error`, the code. A venue that gave no quote has no amounts.
ANSWERS = """
    SELECT venue, coalesce(amount_in, "amountIn") AS amount_in,
        coalesce(amount_out, "amountOut") AS amount_out, coalesce(latency_ms, "latencyMs") AS latency_ms,
        error ->> 'code' AS error
    FROM jsonb_to_recordset(coalesce(e.data -> 'answers', e.data -> 'quotes')) AS said (
        venue text, amount_in numeric, amount_out numeric, latency_ms integer, error jsonb,
        "amountIn" numeric, "amountOut" numeric, "latencyMs" integer)"""
#: The statuses whose events have answers: the choice, or that there was none.
ANSWERED = ("building", "pending", "failed")
