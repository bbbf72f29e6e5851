"""What a page shows of a session is what comes: each command is typed, its lines compared, figures apart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kit.commands import Cli
from tests.kit.terminal import Terminal

DOCS = Path(__file__).parents[2] / "docs"
#: What stands in the file that a command reads, by what the page says of it.
FILES = {
    "with base,quote,amount": "base,quote,amount\nSOL,USDC,1\n",
    "one good line, one with UDSC": "inputToken,outputToken,amount\nUSDC,SOL,20\nUDSC,SOL,20\n",
}
#: What is not typed here: it needs another machine or home, asks for a minute, or never ends.
ELSEWHERE = (
    "git", "python3", ". ", "oee doctor", "oee watch", "oee completion", "oee show <Tab>", "oee backup",
    "oee daemon stop", "OEE_URL", "setsid",
)  # fmt: skip


class Typed(NamedTuple):
    command: str
    remark: str
    shown: list[str]


def session(page: str) -> list[Typed]:
    """The first block of a page: its commands, each with its remark and the lines below it."""
    (block,) = re.findall(r"^```console\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.M | re.S)[
        :1
    ]
    typed = []
    for part in re.split(r"^\$ ", re.sub(r" *[①-⑨]$", "", block, flags=re.M), flags=re.M)[1:]:
        first, *shown = part.splitlines()
        command, _, remark = first.partition("  #")
        # Of a line that makes `oee` itself only the end is about it.
        typed.append(Typed(command.rpartition(" && .venv/bin/")[2].strip(), remark.strip(), shown))
    return typed


def shape(line: str) -> str:
    """What is the same each time: neither ids nor venues, figures, or how much room is between cells."""
    line = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{8}\b", "ID", line)
    line = re.sub(r"\b(raydium|meteora)\b", "VENUE", line)
    line = re.sub(r"; now [\d,.]+, (met|[\d.]+% away)", "; now", line)
    line = re.sub(r"\d[\d,.]*", "N", line)
    return " ".join(re.sub(r"\bN m?s\b", "TIME", line).split())


@pytest.mark.parametrize(("page", "columns"), [("first-five-minutes.md", 80), ("waiting.md", 120)])
def test_a_session_that_a_page_shows_goes_so(page: str, columns: int, cli: Cli) -> None:
    told = [typed for typed in session(page) if not typed.command.startswith(ELSEWHERE)]
    assert sum(bool(typed.shown) for typed in told) >= 1
    for command, remark, shown in told:
        if remark in FILES:
            (cli.home.parent / "orders.csv").write_text(FILES[remark])
        if re.search("[|<>]|orders.csv", command):
            said = cli.sh(f"{{ {command}; }} 2>&1").stdout.splitlines()
        else:
            terminal = Terminal(cli, *command.split()[1:], columns=columns)
            terminal.end()
            said = terminal.screen.said
        # However long the lines are: a page has room that a terminal lacks, and the other way.
        came = shape(" ".join(said))
        for line in shown:
            wanted = shape(line).removesuffix("…").strip()
            if wanted and not wanted.startswith("bash: "):
                _, there, came = came.partition(wanted)
                assert there == wanted, (command, wanted, came, said)
