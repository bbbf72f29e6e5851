"""Rows as CSV, for every command that has `--csv`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from typing import Any

from oee_cli.output import clean


def write_csv(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """A row of names and the rows, each as it comes; what is none is an empty cell."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow("" if value is None else clean(str(value)) for value in row)
    sys.stdout.flush()
