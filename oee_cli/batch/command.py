"""The command `oee submit`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli.batch.batch_options import Batch
from oee_cli.exit_codes import ExitCode


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
