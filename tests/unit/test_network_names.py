"""Nothing outside the networks' own rooms asks which network it is: what differs is in a profile, or in a
list that both ends agree on."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from oee_daemon.contract.setting_table import NETWORKS

ROOT = Path(__file__).parents[2]
#: Who may name one, and why.
MAY = {
    "oee_daemon/contract/setting_table.py": "the setting's values",
    "oee_daemon/contract/real_money.py": "what both ends know of them by name",
    "oee_cli/text/topic_text.py": "help",
}
#: Rooms that are of one network, or of its proof: `--network` of these two chooses whom they judge.
ROOMS = (
    "oee_daemon/networks/",
    "oee_daemon/embedded/embedded_localnet.py",
    "oee_cli/drill/",
    "oee_cli/shadow/",
)


def names_compared(path: Path) -> list[str]:
    """Each comparison of something called a network with the name of one."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare):
            text = ast.unparse(node)
            constants = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}
            if constants & set(NETWORKS) and re.search("network|profile|cluster", text):
                found.append(f"{path}:{node.lineno}: {text}")
    return found


def test_no_branch_on_the_networks_name() -> None:
    files = [path for room in ("oee_daemon", "oee_cli") for path in (ROOT / room).rglob("*.py")]
    asked = [
        one
        for path in files
        if not (name := str(path.relative_to(ROOT))).startswith(ROOMS) and name not in MAY
        for one in names_compared(path)
    ]
    assert not asked, asked


def test_a_branch_would_be_seen(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("if settings.network == 'mainnet':\n    pass\n")
    assert len(names_compared(bad)) == 1
