"""The README holds: its tables are the product's, its pictures are there, its ten pipelines do what they say.

Everything is read from the README itself; a pipeline is run as it stands there, in a shell.
"""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from oee_cli.exit_codes import ExitCode
from oee_daemon.embedded import Servers
from tests.e2e.test_cli_help import COMMANDS
from tests.kit.api_daemon import Shared
from tests.kit.commands import OEE, Cli, serving

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: What a screen may weigh, bytes.
SMALL = 60_000


def section(title: str) -> str:
    found = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of every table's rows, without headers."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    ruled = {n for n, line in enumerate(lines) if set(line) <= set("|-")}
    kept = [line for n, line in enumerate(lines) if not {n, n + 1} & ruled]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in kept]


def coded(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_every_command_is_in_the_tables_and_every_one_that_is_named_exists() -> None:
    table = rows(section("Commands"))
    told = {word for cells in table for word in re.findall(r"oee (\w+)", cells[0])}
    assert told == {name.split()[1] for name in COMMANDS if name.count(" ") == 1}
    for group in ("daemon", "config"):
        (cells,) = (cells for cells in table if cells[0].startswith(f"`oee {group} "))
        children = {n.split()[2] for n in COMMANDS if n.startswith(f"oee {group} ")}
        assert {words.split()[-1] for words in coded(cells[0])} == children
    named = {word for line in coded(README) for word in re.findall(r"^oee ([a-z]+)\b", line)}
    assert named | set(re.findall(r"^(?:\$ )?oee ([a-z]+)\b", README, re.MULTILINE)) <= told
    options = {option for command in COMMANDS.values() for p in command.params for option in p.opts}
    used = {o for line in re.findall(r"\boee [^`\n]*", README) for o in re.findall(r"(?<!\S)--[a-z-]+", line)}
    assert used - {"--extra"} <= options | {"--help", "--version"}


def test_the_exit_codes_are_all_there() -> None:
    told = [int(code) for cells in rows(section("Scripting")) for code in re.findall(r"\d+", cells[0])]
    assert sorted(told) == sorted(ExitCode)


def test_completion_is_installed_as_its_help_says() -> None:
    lines = re.findall(r"^oee completion .*", README, re.MULTILINE)
    assert len(lines) == 3
    assert [line.strip() for line in COMMANDS["oee completion"].help.splitlines() if " > " in line] == lines


def test_what_it_links_to_is_there() -> None:
    linked = set(re.findall(r"\]\((?!https?:)([^)#]+)", README))
    assert {name for name in linked if not (ROOT / name).exists()} == set()


def test_the_screens_are_small_pictures_that_ask_for_nothing_from_elsewhere() -> None:
    shown = re.findall(r"!\[oee (\w+)[^\]]*\]\((docs/screens/(\w+)\.svg)\)", README)
    assert [command for command, _, _ in shown] == ["buy", "show", "top", "stats"]
    script = (ROOT / "docs" / "screens.py").read_text(encoding="utf-8")
    for command, path, name in shown:
        assert f'"{name}": "oee {command}' in script and f"oee {command}" in COMMANDS
        picture = (ROOT / path).read_text(encoding="utf-8")
        assert len(picture) < SMALL
        assert set(re.findall(r"https?://[^\s\"')]+", picture)) == {"http://www.w3.org/2000/svg"}
        words = " ".join(ElementTree.fromstring(picture).itertext())  # noqa: S314  # our own file
        assert f"oee\xa0{command}" in words and any(
            word in words for word in ("bought", "confirmed", "ended")
        )


def test_the_script_of_the_screens_draws_what_a_command_draws(cli: Cli, tmp_path: Path) -> None:
    """On one that costs nothing; the real ones take half a minute."""
    spec = importlib.util.spec_from_file_location("screens", ROOT / "docs" / "screens.py")
    assert spec and spec.loader
    screens = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(screens)
    assert set(screens.SCREENS) == {path.stem for path in (ROOT / "docs" / "screens").iterdir()}
    drawn = screens.drawn("oee quote SOL USDC 1.5", cli.environ)
    screens.save(drawn, "quote", "oee quote SOL USDC 1.5", tmp_path)
    texts = ElementTree.parse(tmp_path / "quote.svg").iter("{http://www.w3.org/2000/svg}text")  # noqa: S314
    placed = [(float(text.get("y", "")), float(text.get("x", "")), text.text or "") for text in texts]
    header, title, first, second = (
        [text for at, _, text in sorted(placed) if at == y] for y in sorted({y for y, _, _ in placed})
    )
    assert (" ".join(header), title) == ("buy 1.5 SOL with USDC", ["oee\xa0quote\xa0SOL\xa0USDC\xa01.5"])
    assert {first[0], second[0]} == {"raydium", "meteora"} and first[-1] == "best"


class Pipeline(NamedTuple):
    title: str
    kind: str
    typed: str


PIPELINES = {
    title: Pipeline(title, kind, typed)
    for title, kind, typed in re.findall(
        r"^\*\*\d+\. ([^*]+?)\.?\*\*.*?^```(sh|crontab)\n(.*?)^```",
        section("Scripting"),
        re.MULTILINE | re.DOTALL,
    )
}
#: What stands in the line that is bought, sold or waited for.
BOUGHT = r"✓ bought [\d.,]+ SOL for [\d.,]+ USDC at [\d.]+ on \w+ in [\d.]+ s\n"


class Desk(NamedTuple):
    """A trader's home folder with `oee` in it, the engine behind it, and how many orders it has."""

    folder: Path
    cli: Cli
    api: Shared

    def run(self, pipeline: Pipeline) -> str:
        """What it prints: typed into bash, or started by something like cron."""
        environ = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        shell, typed = ["/bin/sh", "-c"], pipeline.typed
        if pipeline.kind == "crontab":
            # Five fields and the command, in which a bare % would end it.
            typed = typed.split(maxsplit=5)[5].replace("\\%", "%")
        else:
            shell = ["bash", "-c"]
            environ = {**os.environ, **environ, "PATH": f"{self.folder}/.local/bin:{os.environ['PATH']}"}
            environ["LC_ALL"] = "C.UTF-8"
        done = subprocess.run(
            [*shell, typed],
            cwd=self.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def desk(servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """An engine of their own: one of them kills its daemon, and `oee` starts it again."""
    base = tmp_path_factory.mktemp("desk")
    with serving(servers, template, base / "h", OEE_SIM_CONFIRM_MS="200") as (cli, api):
        settings = {n: v for n, v in api.daemon.environ.items() if n.startswith("OEE_")}
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
        program = base / ".local" / "bin" / "oee"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\n{exports}exec {shlex.join(OEE)} "$@"\n')
        program.chmod(0o755)
        (table,) = re.findall(r"^```csv\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
        (base / "orders.csv").write_text(table)
        trader = Cli(cli.home, **settings)
        yield Desk(base, trader, api)
        assert trader.run("daemon", "stop").returncode == 0


def _bought(desk: Desk, said: str) -> None:
    assert re.fullmatch(BOUGHT + "bought: hedge it\n", said)
    count = desk.api.stored()
    desk.run(PIPELINES["Buy, and act on the exit code"])
    assert desk.api.stored() == count


def _quoted(desk: Desk, said: str) -> None:
    assert re.fullmatch(BOUGHT, said) and (desk.folder / "quoted.txt").read_text() == "true\n"
    found = desk.cli.json("show", "last")
    assert (found["maxSpend"], found["status"]) == ("225", "confirmed")


def _table(desk: Desk, said: str) -> None:
    assert [line.split("\t")[:2] for line in said.splitlines()] == [[n, "confirmed"] for n in "234"]


def _failures(desk: Desk, said: str) -> None:
    assert said == ""
    assert desk.cli.run("buy", "SOL", "USDC", "1000000000").returncode == 7
    assert desk.run(PIPELINES["Today's failures"]) == "1  no_route\n"


def _cost(desk: Desk, said: str) -> None:
    assert re.fullmatch(r"([\d.]+ [A-Z]+ of fees\n)*[\d.]+ bps of slippage at p95\n", said)
    total = desk.cli.json("stats", "--since", "today")["total"]
    assert said.splitlines()[:-1] == [f"{fee['amount']} {fee['token']} of fees" for fee in total["fees"]]


def _elsewhere(desk: Desk, said: str) -> None:
    assert re.fullmatch(BOUGHT + "it landed\n", said)


def _fills(desk: Desk, said: str) -> None:
    with (desk.folder / "fills.csv").open() as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == ["at", "inputToken", "amountIn", "outputToken", "amountOut", "orderId"]
    assert [row["orderId"] for row in found] == [f["orderId"] for f in desk.cli.json("fills", "-n", "all")]


def _cron(desk: Desk, said: str) -> None:
    assert re.fullmatch(BOUGHT, said)
    count = desk.api.stored()
    assert desk.run(PIPELINES["A cron line"]) == said
    assert desk.api.stored() == count


def _rerun(desk: Desk, said: str) -> None:
    assert said.startswith("✓ sold 1.5 SOL for ")
    count = desk.api.stored()
    assert desk.run(PIPELINES["Rerun safely"]) == said
    assert desk.api.stored() == count


def _resumed(desk: Desk, said: str) -> None:
    assert said.split() == ["60", "confirmed"]
    fills = desk.cli.json("fills", "-n", "all")
    sold = [fill["amountIn"] for fill in fills if fill["inputToken"] == "SOL"]
    assert sorted(int(amount) for amount in sold if amount != "1.5") == list(range(1, 61))


#: What has to be so after each; the last one is the one that kills.
CHECKS: dict[str, Callable[[Desk, str], None]] = {
    "Buy, and act on the exit code": _bought,
    "Buy if the quote is under a price": _quoted,
    "Submit a CSV": _table,
    "Today's failures": _failures,
    "Cost of the day": _cost,
    "Wait for an order elsewhere": _elsewhere,
    "Fills to a spreadsheet": _fills,
    "A cron line": _cron,
    "Rerun safely": _rerun,
    "Kill and resume": _resumed,
}


def test_there_are_ten_pipelines_and_each_is_checked() -> None:
    assert list(PIPELINES) == list(CHECKS) and len(CHECKS) == 10


@pytest.mark.parametrize("title", CHECKS)
def test_a_pipeline_does_what_it_says(title: str, desk: Desk) -> None:
    pipeline = PIPELINES[title]
    if "jq " in pipeline.typed and shutil.which("jq") is None:
        pytest.skip("jq is not on this machine")
    CHECKS[title](desk, desk.run(pipeline))


@pytest.mark.parametrize("title", CHECKS)
def test_a_pipeline_is_read_by_every_shell_of_that_family(title: str) -> None:
    if PIPELINES[title].kind == "crontab":
        return
    for shell in ("sh", "bash", "zsh"):
        if shutil.which(shell):
            done = subprocess.run([shell, "-n", "-c", PIPELINES[title].typed], capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, "")
