"""The pages of the project hold: links lead somewhere, paths exist, all rooms and decisions are named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import date, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer

from docs import tables
from oee_cli.app import app
from oee_cli.text.option_text import SNIPER_OPTIONS
from oee_cli.text.terms_text import Terms
from oee_daemon.api.api_answer_schema import OrderIn
from oee_daemon.contract.fields import GIVEN, Kind

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.md")])


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def commands(page: str, block: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(rf"<!-- {block} -->\n```console\n(.*?)```", text, re.DOTALL)
    assert found, block
    return re.findall(r"^\$ (.+)$", found[1], re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target
    if page.name != "CHANGELOG.md":
        for path in re.findall(r"`((?:oee_daemon|oee_cli|tests|benchmarks|docs)/[\w./-]+)`", text):
            assert "NAME" in path or (ROOT / path).exists(), path


def test_nobody_is_told_to_install_what_strangers_may_publish_by_our_name() -> None:
    """Who installs `oee` by its name gets another's program, beside the wallet's key."""
    for page in {*PAGES, *(ROOT / "oee_cli").rglob("*.py"), *(ROOT / "oee_daemon").rglob("*.py")}:
        assert not re.search(r"install\b[^.`\n]*[ '\"]oee\b", page.read_text(encoding="utf-8")), page


def test_every_module_that_is_named_is_there() -> None:
    """By its file's name, which was another one in pages and docstrings whenever files had moved."""
    modules = [
        p
        for room in ("oee_daemon", "oee_cli", "tests", "benchmarks", "docs")
        for p in (ROOT / room).rglob("*.py")
    ]
    there = [str(path) for path in modules]
    for page in {*PAGES, *modules} - {ROOT / "CHANGELOG.md"}:
        for name in re.findall(r"`([\w/]+\.py)`", page.read_text(encoding="utf-8")):
            assert any(path.endswith(f"/{name}") for path in there), f"{page}: {name}"


def rooms() -> dict[str, list[str]]:
    """Of the tables in the architecture: each folder, and what its files are called."""
    found = {}
    for package in ("oee_daemon", "oee_cli"):
        page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
        for row in page.partition(f"| room in `{package}/`")[2].partition("\n\n")[0].splitlines()[2:]:
            _, room, _, names, _ = row.split("|")
            folder = room.partition("`")[2].partition("/`")[0]
            found[package if folder == package else f"{package}/{folder}"] = re.findall(r"`([\w*]+)`", names)
    return found


def rooms_of(name: str, named: dict[str, list[str]]) -> list[str]:
    """Where a file of that name may be: by its whole name, else by its last word, else by its first."""
    for rule in (lambda word: "*" not in word, lambda word: word[0] == "*", lambda word: word[-1] == "*"):
        fits = [room for room, words in named.items() if any(rule(w) and fnmatch(name, w) for w in words)]
        if fits:
            return fits
    return []


#: What stands in many rooms.
EVERYWHERE = {"__init__", "__main__", "command"}


def test_the_architecture_names_every_room_and_a_file_s_name_says_its_room() -> None:
    """Of 24 functions at random a stranger knew the folder of 18, by name and file: the rest had names of
    another room, or were in folders that stood on no page."""
    named = rooms()
    sources = [p for package in ("oee_daemon", "oee_cli") for p in (ROOT / package).rglob("*.py")]
    assert named.keys() == {str(path.parent.relative_to(ROOT)) for path in sources}
    files = {p.stem: str(p.parent.relative_to(ROOT)) for p in sources if p.stem not in EVERYWHERE}
    assert {name: rooms_of(name, named) for name in files} == {name: [room] for name, room in files.items()}
    assert len(files) == len([p for p in sources if p.stem not in EVERYWHERE]), "a name twice in the house"
    used = {word for name in files for words in named.values() for word in words if fnmatch(name, word)}
    assert used == {word for words in named.values() for word in words}


def test_a_function_lies_in_a_file_whose_name_says_its_room() -> None:
    """Not in an `__init__`, nor in a `__main__` but the two that are the programs; and of the functions that
    are commands no two have one name."""
    ours = [p for package in ("oee_daemon", "oee_cli") for p in (ROOT / package).rglob("*.py")]
    defined = {
        path: re.findall(r"^ *(?:async )?def (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        for path in ours
    }
    programs = {ROOT / "oee_cli" / "__main__.py", ROOT / "oee_daemon" / "__main__.py"}
    unnamed = [p for p in ours if p.stem in ("__init__", "__main__") and p not in programs]
    assert [path for path in unnamed if defined[path]] == []
    commands = [name for path in ours if path.stem == "command" for name in defined[path]]
    assert sorted(commands) == sorted(set(commands))


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\[\d+\]\((\S+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == sorted(path.name for path in folder.glob("0*.md"))


def test_contributing_installs_as_the_readme_does() -> None:
    install = commands("CONTRIBUTING.md", "install")[0]
    assert commands("README.md", "tests")[0].startswith(f"{install} && ")


@pytest.mark.parametrize("command", commands("CONTRIBUTING.md", "check"))
def test_a_command_of_contributing_runs(command: str) -> None:
    """`.ci/run` is read; anything else is there, and takes what stands there: it is asked for help."""
    program, *arguments = command.split()
    assert all((ROOT / word).exists() for word in arguments if "/" in word)
    if program == ".ci/run":
        assert os.access(ROOT / program, os.X_OK)
        assert all(f"= {word} ]" in (ROOT / program).read_text() for word in arguments)
        command = f"bash -n {program}"
    else:
        command += " --help"
    # As where the environment of these tests is the one that is on: theirs is the `pytest` that is meant.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environ = {**os.environ, "PATH": path}
    done = subprocess.run(command.split(), cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", sorted({page for page, _ in tables.TABLES}))
def test_a_page_tells_of_the_contract_what_the_contract_says(page: str) -> None:
    assert (ROOT / page).read_text(encoding="utf-8") == tables.written(page), "python docs/tables.py"


def test_what_an_order_is_placed_with_is_said_of_each_type() -> None:
    """The pages and helps named the market order's slippage for a stop, which may fill at twice as much."""
    commands: Any = typer.main.get_command(app)
    for name, usual in USUAL.items():
        told = next(p.help for p in commands.commands[name].params if p.name == "slippage")
        assert all(share in told for share in usual), name
    described = tables.written("docs/http.md")
    assert "| `50`; stop: `100`; sniper: `500` |" in described and "| `300`; sniper: `30` |" in described
    asked = OrderIn.model_json_schema()["properties"]
    # A client that is made of the document would send a default for every type.
    assert (
        asked["slippageBps"]["default"] is None and "500 of a sniper" in asked["slippageBps"]["description"]
    )
    assert asked["swapMode"]["default"] == "ExactIn"


def test_every_command_that_places_or_edits_takes_the_terms_and_what_refusals_name() -> None:
    commands: Any = typer.main.get_command(app)
    taken = {
        name: {word for p in commands.commands[name].params for word in p.opts} for name in (*USUAL, "edit")
    }
    for name in taken:
        assert set(Terms._fields) <= {p.name for p in commands.commands[name].params}, name
    options = {field.option for field in GIVEN if field.option}
    assert options <= set.union(*taken.values())
    assert set(SNIPER_OPTIONS.values()) <= taken["snipe"]


def test_the_document_says_how_long_a_text_may_be() -> None:
    asked = OrderIn.model_json_schema()["properties"]
    for field in (field for field in GIVEN if field.kind is Kind.TEXT):
        text = next(kind for kind in asked[field.name]["anyOf"] if kind["type"] == "string")
        assert (text["minLength"], text["maxLength"]) == field.bounds, field.name


#: By command: the slippage where nobody says it.
USUAL = {
    "buy": ["0.5%"], "sell": ["0.5%"], "limit": ["0.5%"], "stop": ["1%"], "snipe": ["5%"],
    "submit": ["0.5%", "stop 1%", "sniper 5%"],
}  # fmt: skip


def test_a_moment_of_an_example_is_still_to_come() -> None:
    """Of a help, a hint or a page: one that has passed is refused by whoever tries it."""
    pages = [*PAGES, *(p for room in ("oee_cli", "oee_daemon") for p in (ROOT / room).rglob("*.py"))]
    for page in {*pages} - {ROOT / "CHANGELOG.md"}:
        for day in re.findall(r"--(?:at|from|expires) (\d{4}-\d\d-\d\d)", page.read_text(encoding="utf-8")):
            assert date.fromisoformat(day) > date.today() + timedelta(days=365), page
