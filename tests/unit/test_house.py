"""The house keeps its measure: files and functions stay small, all SQL lies in its rooms, and the paths of a
home are said once."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from oee_daemon.contract import home_files

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for package in ("oee_cli", "oee_daemon") for path in (ROOT / package).rglob("*.py"))
#: A participle by itself, and a verb that ends like one.
BARE = re.compile(
    r"_(?!heed|need|feed|seed|embed|exceed|proceed|succeed)([a-z]+ed|told|shown|known|said|taken|seen|found|begun"
    "|given|made|kept|held|sent|left|built|gone|lost|met|spent|drawn|paid|bought|sold|hidden|written|chosen|broken)"
)
#: A statement, by how it begins.
SQL = re.compile(r"\b(SELECT .+ FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE TABLE)\b", re.DOTALL)
#: Who may speak it: the engine's store; the networks that keep a ledger of their own; and, against another's
#: tables on purpose, who judges the engine from outside, and who orders faults.
ROOMS_OF_SQL = (
    "oee_daemon/store/",
    "oee_daemon/networks/simulated/",
    "oee_daemon/networks/paper/",
    "oee_daemon/networks/localnet/localnet_sqlite.py",
    "oee_daemon/contract/planned_faults.py",
    "oee_cli/drill/",
    "oee_cli/doctor/checks/check_outside_servers.py",
)


def test_files_and_functions_stay_small_and_files_say_what_they_are() -> None:
    long: dict[str, int] = {}
    for path in SOURCES:
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
        assert len(text.splitlines()) <= 350, name
        tree = ast.parse(text)
        assert ast.get_docstring(tree) or not text, name
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                long |= {f"{name}: {node.name}": lines} if lines > 50 else {}
    assert long == {}


def test_all_sql_lies_in_its_rooms() -> None:
    texts = {
        path.relative_to(ROOT).as_posix(): [
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        for path in SOURCES
    }
    speak = {path for path, said in texts.items() if any(map(SQL.search, said))}
    assert {path for path in speak if not path.startswith(ROOMS_OF_SQL)} == set()
    assert all(any(path.startswith(room) for path in speak) for room in ROOMS_OF_SQL)


def test_a_set_of_statuses_is_written_out_in_the_contract_alone() -> None:
    """Which orders run, or are told of, was decided in five statements: those that waiting orders broke."""
    rows = [path for path in SOURCES if "/migrations/versions/" not in path.as_posix()]
    written = [path for path in rows if re.search(r"status\s+(NOT\s+)?IN\s*\(\s*'", path.read_text())]
    assert written == []


def test_the_files_of_a_home_are_named_in_one_place() -> None:
    """The daemon makes them and the command line finds them: each named nine of them for itself."""
    names = {value for name, value in vars(home_files).items() if name.isupper()}
    for path in SOURCES:
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
        if name != "oee_daemon/contract/home_files.py":
            assert not [
                one for one in names if f'/ "{one}"' in text or ("/" in one and f'"{one}"' in text)
            ], name


def test_a_private_function_is_named_by_a_verb_and_not_by_a_bare_participle() -> None:
    """`_told` was in eight files, `_asked` in seven: nobody knows by such a name who does what."""
    bare = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and BARE.fullmatch(node.name)
    ]
    assert bare == []
