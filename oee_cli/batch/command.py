"""The command `oee submit`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import typer

from oee_cli import options as o
from oee_cli.exit_codes import ExitCode
from oee_cli.text.terms_text import BatchTerms


class Batch(NamedTuple):
    """How a batch is placed, as typed."""

    max_inflight: Annotated[
        int, typer.Option("--max-inflight", metavar="N", help="Orders on their way at once.")
    ] = 50
    name: Annotated[
        str | None,
        typer.Option("--batch", metavar="NAME", help="The same batch again places nothing twice."),
    ] = None
    stop_on_failure: Annotated[
        bool, typer.Option("--stop-on-failure", help="Send nothing more after the first line that fails.")
    ] = False
    terms: BatchTerms = BatchTerms()
    valid_for: o.BatchValidFor = None
    dry_run: o.DryRun = False
    timeout: o.Timeout = "60"
    detach: Annotated[bool, typer.Option("--detach", help="A result once each order is durable.")] = False
    #: It speaks JSON in any case.
    json: Annotated[bool, typer.Option("--json", hidden=True)] = False
    no_color: o.NoColor = False
    quiet: o.Quiet = False


def submit_batch(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="NDJSON or CSV; - is stdin.", show_default=False)
    ],
    *,
    batch: Batch,
) -> ExitCode:
    """Place many orders, one a line.

    \b
      oee submit orders.ndjson > results.ndjson
      oee submit orders.csv --dry-run
      oee submit - --batch monday --stop-on-failure < orders.csv

    JSON objects, or CSV rows under a row of names, with the fields of the HTTP body and idempotencyKey.
    A line that begins with # is left out, and null is as if not given. One JSON object for each line as
    it ends: its "line", and its "order" or "error".

    Every line has a key, made of the batch's name and its values; equal lines are counted. So the same
    command again goes on where it stopped and places nothing twice, also with lines moved, put in or taken
    out. A file is a batch by its own name, without its folder; a stream takes --batch. To place the same
    lines anew: --batch "$(date +%F)". Exit: the worst that any line had.
    """
    from oee_cli.batch.batch_run import submit

    return submit(file, batch)
