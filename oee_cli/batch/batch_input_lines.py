"""The lines of `oee submit`'s input, one at a time, and what an input is that has none.

However long the input or one of its lines is, no more than one order's worth of it is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from oee_cli.cli_errors import UsageFault
from oee_daemon.contract.protocol import MAX_BODY

#: How many characters of a line that is no order's are kept, to see what it is.
_GLANCE = 40
ONE_A_LINE = "An order is one whole line. Other JSON: jq -c . orders.json | oee submit -"
#: How what is no text begins, what it is, and what makes text of it.
_FOREIGN = (
    ((b"\xff\xfe", b"\xfe\xff"), "UTF-16 text", "iconv -f UTF-16 -t UTF-8 FILE > orders.csv"),
    ((b"PK\x03\x04",), "an Excel workbook, or another ZIP", "Save it as CSV (UTF-8)."),
    ((b"\xd0\xcf\x11\xe0",), "an old Excel workbook", "Save it as CSV (UTF-8)."),
    ((b"\x1f\x8b",), "compressed by gzip", "zcat FILE | oee submit - --batch NAME"),
    ((b"PAR1",), "a Parquet file", "Write it as CSV: to_csv('orders.csv', index=False)"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it was read. Where it has a fault, `text` is no more than its beginning. `cut`: it has no
    line end, and whoever wrote it may have died over it."""

    number: int
    text: str
    fault: UsageFault | None = None
    cut: bool = False

    @property
    def begin(self) -> str:
        """Its first character; none where it is blank or a comment."""
        first = self.text.lstrip()[:1]
        return "" if first == "#" else first


class Lines:
    """The lines of a stream, one at a time, and how many bytes have been read.

    `piped`: the stream is no file, which whoever wrote it has left whole. Raises `UsageFault` where the first
    one shows that there are none, or that they can't be read further.
    """

    def __init__(self, stream: BinaryIO, *, piped: bool = False) -> None:
        self._stream = stream
        self._piped = piped
        self.bytes_read = 0

    def __iter__(self) -> Iterator[Line]:
        number = 0
        while raw := self._read_input_line(MAX_BODY + 1):
            number += 1
            if number == 1:
                _refuse_foreign_input(raw)
            if len(raw) > MAX_BODY and not raw.endswith(b"\n"):
                self._skip_input_line()
                yield _line_fault(number, raw, "The line is longer than an order can be.")
                continue
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                yield _line_fault(number, raw, "The line is not UTF-8 text.")
                continue
            # Some editors begin a file with a mark that is no part of it.
            text = text.removeprefix("\ufeff") if number == 1 else text
            yield Line(number, text, cut=self._piped and not raw.endswith(b"\n"))

    def _skip_input_line(self) -> None:
        while raw := self._read_input_line(MAX_BODY):
            if raw.endswith(b"\n"):
                return

    def _read_input_line(self, most: int) -> bytes:
        try:
            raw = self._stream.readline(most)
        except OSError as e:
            raise UsageFault(f"The input can't be read any further: {e.strerror}.") from None
        self.bytes_read += len(raw)
        return raw


def _line_fault(number: int, raw: bytes, what: str) -> Line:
    text = raw[:_GLANCE].decode(errors="replace")
    return Line(number, text, UsageFault(what, code="invalid_line", hint=ONE_A_LINE))


def _refuse_foreign_input(raw: bytes) -> None:
    """Raises `UsageFault` where the first line, as far as it was read, begins as no text does."""
    for begins, what, remedy in _FOREIGN:
        if raw.startswith(begins):
            raise UsageFault(f"The input is {what}; it takes UTF-8 text.", hint=remedy)
    if b"\0" in raw:
        hint = "If it is UTF-16 text: iconv -f UTF-16LE -t UTF-8 FILE > orders.csv"
        raise UsageFault("The input is not UTF-8 text: it has zero bytes.", hint=hint)
    if b"\r" in raw.rstrip(b"\r\n"):
        raise UsageFault(
            "The lines of the input end with CR alone, as on an old Macintosh.",
            hint=r"tr '\r' '\n' < FILE > orders.csv",
        )
