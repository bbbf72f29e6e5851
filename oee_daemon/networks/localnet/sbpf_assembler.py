"""An assembler for sBPF version 0, and the smallest ELF file that Solana's loader takes. Nothing of any
program.

Instructions: https://github.com/anza-xyz/sbpf/blob/main/doc/bytecode.md. Jumps are to labels, calls to labels
or to the runtime's functions, texts lie in `.rodata`. Registers are their numbers; r10 is the frame.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import partialmethod
from typing import NamedTuple

#: Where the loader maps the file; an address in the file is added to it.
PROGRAM_START = 0x1_0000_0000
#: Where code begins in every file written here: after the header and three program headers.
TEXT_AT = 64 + 3 * 56

_JUMP = {"eq": 0x15, "gt": 0x25, "ge": 0x35, "set": 0x45, "ne": 0x55, "lt": 0xA5, "le": 0xB5}
#: By the bytes that are moved.
_LOAD = {8: 0x79, 4: 0x61, 2: 0x69, 1: 0x71}
_STORE = {8: 0x7B, 4: 0x63, 2: 0x6B, 1: 0x73}
_STORE_NUMBER = {8: 0x7A, 4: 0x62, 2: 0x6A, 1: 0x72}
#: The operand is a register and not a number.
_REGISTER = 0x08
_CALL, _EXIT, _ALWAYS, _LOAD_64 = 0x85, 0x95, 0x05, 0x18


class R(int):
    """A register; an operand of plain `int` is a number."""


class Assembler:
    """Collects instructions; `elf` makes the file of them."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int, int]] = []
        self._labels: dict[str, int] = {}
        self._jumps: dict[int, str] = {}
        self._calls: dict[int, str] = {}
        self._imports: dict[int, str] = {}
        self._texts: dict[int, int] = {}
        self._data = b""

    def _put(self, code: int, dst: int = 0, src: int = 0, offset: int = 0, number: int = 0) -> None:
        self._code.append((code, dst, src, offset, number))

    def label(self, name: str) -> None:
        assert name not in self._labels, name
        self._labels[name] = len(self._code)

    def _alu(self, code: int, dst: R, operand: int) -> None:
        """`operand` is a register, or a number of 32 bits with its sign."""
        if isinstance(operand, R):
            self._put(code | _REGISTER, dst, operand)
        else:
            self._put(code, dst, number=operand)

    mov = partialmethod(_alu, 0xB7)
    add = partialmethod(_alu, 0x07)
    sub = partialmethod(_alu, 0x17)
    mul = partialmethod(_alu, 0x27)
    or_ = partialmethod(_alu, 0x47)
    and_ = partialmethod(_alu, 0x57)
    lsh = partialmethod(_alu, 0x67)
    rsh = partialmethod(_alu, 0x77)

    def at(self, dst: R, begin: R, offset: int) -> None:
        self.mov(dst, begin)
        self.add(dst, offset)

    def low(self, dst: R) -> None:
        """Its lower half alone."""
        self.lsh(dst, 32)
        self.rsh(dst, 32)

    def wide(self, dst: R, number: int) -> None:
        """All 64 bits, in the place of two instructions."""
        low, high = struct.unpack("<ii", struct.pack("<Q", number))
        self._put(_LOAD_64, dst, number=low)
        self._put(0, number=high)

    def text(self, dst: R, text: bytes) -> None:
        """The address of `text`."""
        self._texts[len(self._code)] = len(self._data)
        self._data += text + bytes(-len(text) % 8)
        self.wide(dst, 0)

    def load(self, dst: R, src: R, offset: int, size: int = 8) -> None:
        self._put(_LOAD[size], dst, src, offset)

    def store(self, dst: R, offset: int, operand: int, size: int = 8) -> None:
        if isinstance(operand, R):
            self._put(_STORE[size], dst, operand, offset)
        else:
            self._put(_STORE_NUMBER[size], dst, 0, offset, operand)

    def jump(self, to: str) -> None:
        self._jumps[len(self._code)] = to
        self._put(_ALWAYS)

    def when(self, left: R, name: str, right: int, to: str) -> None:
        """Jumps if the comparison, of numbers without a sign, holds."""
        self._jumps[len(self._code)] = to
        if isinstance(right, R):
            self._put(_JUMP[name] | _REGISTER, left, right)
        else:
            self._put(_JUMP[name], left, number=right)

    def call(self, label: str) -> None:
        self._calls[len(self._code)] = label
        self._put(_CALL, src=1)

    def runtime(self, name: str) -> None:
        """Calls a function of the runtime, as `sol_log_`; the loader finds it by its name."""
        self._imports[len(self._code)] = name
        self._put(_CALL, number=-1)

    def exit(self) -> None:
        self._put(_EXIT)

    def elf(self) -> bytes:
        """The program as a shared object that begins at its first instruction."""
        size = 8 * len(self._code)
        code = []
        for at, (operation, dst, src, offset, number) in enumerate(self._code):
            if at in self._jumps:
                offset = self._labels[self._jumps[at]] - at - 1
            elif at in self._calls:
                number = self._labels[self._calls[at]] - at - 1
            elif at in self._texts:
                number = TEXT_AT + size + self._texts[at]
            elif at - 1 in self._texts:
                number = PROGRAM_START >> 32
            code.append(struct.pack("<BBhi", operation, dst | src << 4, offset, number))
        return _file(b"".join(code), self._data, self._imports)


class _Linked(NamedTuple):
    """By what the loader finds imported names: a table of tables, symbols, their names, the calls of them."""

    dynamic: bytes
    symbols: bytes
    names: bytes
    calls: bytes


def _link(begin: int, imports: dict[int, str]) -> _Linked:
    """`begin`: where in the file all of it comes."""
    names = sorted(set(imports.values()))
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    strings += bytes(-len(strings) % 8)
    at = {name: strings.index(name.encode() + b"\0") for name in names}
    # A symbol: its name, a function that is global, defined elsewhere.
    symbols = bytes(24) + b"".join(struct.pack("<IBBHQQ", at[name], 0x12, 0, 0, 0, 0) for name in names)
    # R_BPF_64_32 (10): the call at that address is of that symbol.
    calls = b"".join(
        struct.pack("<QQ", TEXT_AT + 8 * place, (names.index(name) + 1) << 32 | 10)
        for place, name in sorted(imports.items())
    )
    symbols_at = begin + 7 * 16
    strings_at = symbols_at + len(symbols)
    calls_at = strings_at + len(strings)
    # DT_SYMTAB, DT_STRTAB, DT_STRSZ, DT_REL, DT_RELSZ, DT_RELENT, DT_NULL.
    rows = (
        (6, symbols_at),
        (5, strings_at),
        (10, len(strings)),
        (17, calls_at),
        (18, len(calls)),
        (19, 16),
        (0, 0),
    )
    return _Linked(b"".join(struct.pack("<QQ", *row) for row in rows), symbols, strings, calls)


def _file(text: bytes, data: bytes, imports: dict[int, str]) -> bytes:
    """Header, three segments, and the sections by which the loader finds code, texts and imported names."""
    dynamic_at = TEXT_AT + len(text) + len(data)
    linked = _link(dynamic_at, imports)
    # Name, type, flags (2: in memory, 4: code), entries' size, and for some the section that they speak of.
    parts: Sequence[tuple[str, int, int, int, int, bytes]] = (
        (".text", 1, 6, 0, 0, text),
        (".rodata", 1, 2, 0, 0, data),
        (".dynamic", 6, 2, 16, 5, linked.dynamic),
        (".dynsym", 11, 2, 24, 5, linked.symbols),
        (".dynstr", 3, 2, 0, 0, linked.names),
        (".rel.dyn", 9, 2, 16, 4, linked.calls),
    )
    labels = b"\0" + b"".join(name.encode() + b"\0" for name in (*(part[0] for part in parts), ".shstrtab"))
    rows, place, body = [bytes(64)], TEXT_AT, b""
    for name, kind, flags, entry, link, content in parts:
        # Of the symbols' section: the first that is global.
        where, first = labels.index(name.encode() + b"\0"), int(kind == 11)
        sized = place, place, len(content), link, first, 8, entry
        rows.append(struct.pack("<IIQQQQIIQQ", where, kind, flags, *sized))
        body += content
        place += len(content)
    where = labels.index(b".shstrtab\0")
    rows.append(struct.pack("<IIQQQQIIQQ", where, 3, 0, 0, place, len(labels), 0, 0, 1, 0))
    body += labels + bytes(-len(labels) % 8)
    # Loaded: code and texts; names and calls. Then where the dynamic table is.
    symbols_at = dynamic_at + len(linked.dynamic)
    segments = (
        (1, 5, TEXT_AT, len(text) + len(data)),
        (1, 4, symbols_at, len(linked.symbols) + len(linked.names) + len(linked.calls)),
        (2, 4, dynamic_at, len(linked.dynamic)),
    )
    headers = b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, begin, begin, begin, size, size, 8)
        for kind, flags, begin, size in segments
    )
    # A shared object (3) for eBPF (247), 64 bits, little endian.
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 3, 247, 1)
    places = struct.pack("<QQQI", TEXT_AT, 64, TEXT_AT + len(body), 0)
    sizes = struct.pack("<HHHHHH", 64, 56, len(segments), 64, len(rows), len(rows) - 1)
    return head + places + sizes + headers + body + b"".join(rows)
