"""The options of `oee submit`."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import typer

from oee_cli import options as o
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
