"""What a source distribution holds: what it names in the checkout's root, not what is called so below."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_source_distribution_takes_nothing_out_of_a_venv_that_lies_in_the_checkout() -> None:
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]
    taken = hatch["build"]["targets"]["sdist"]["include"]
    assert taken and all(path.startswith("/") and (ROOT / path[1:]).exists() for path in taken)
