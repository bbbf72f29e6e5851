"""A batch on the days after: edited, moved, repeated, begun by an earlier release. Judged by the orders."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oee_cli.batch.batch_row_keys import former_keys
from tests.kit.api_daemon import Shared
from tests.kit.commands import Cli, Done

HEADER = "inputToken,outputToken,amount"
ANEW = '--batch "$(date +%F)"'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Of a name that no other test's batch has."""
    return tmp_path / f"orders-{os.urandom(6).hex()}.csv"


def amounts(api: Shared, before: int) -> list[str]:
    """Of the orders that came after the first `before`, in no order."""
    found = api.http.get("/api/orders", params={"limit": 100}).json()["orders"]
    return sorted((o["amount"] for o in found[: api.stored() - before]), key=float)


@pytest.fixture
def bought(api: Shared) -> Iterator[Any]:
    """Since it was asked last."""
    seen = [api.stored()]

    def since() -> list[str]:
        found = amounts(api, seen[0])
        seen[0] = api.stored()
        return found

    yield since


def write(file: Path, *rows: str) -> None:
    file.write_text("\n".join([HEADER, *rows, ""]))


def results(done: Done) -> list[dict[str, Any]]:
    return [json.loads(text) for text in done.stdout.splitlines()]


def test_taking_a_line_out_buys_nothing_again(cli: Cli, file: Path, bought: Any) -> None:
    write(file, "USDC,SOL,10", "UDSC,SOL,20", "USDC,SOL,30")
    assert cli.run("submit", str(file)).returncode == 2
    assert bought() == ["10", "30"]
    write(file, "USDC,SOL,10", "USDC,SOL,30")
    done = cli.run("submit", str(file))
    assert (done.returncode, bought()) == (0, [])
    assert re.search(r"2 lines: nothing new, 2 were placed today at \d\d:\d\d: 2 confirmed", done.stderr)
    # Moved, put in, commented, and told in another way.
    write(file, "#USDC,SOL,40", "USDC,SOL,50", "usdc,SOL,30.0", "USDC,SOL,10")
    done = cli.run("submit", str(file))
    assert (done.returncode, bought()) == (0, ["50"])
    assert "2 of them had been placed before, today at" in done.stderr and ANEW in done.stderr
    assert sorted(r["line"] for r in results(done) if r.get("replayed")) == [4, 5]


def test_a_file_that_is_moved_is_the_same_batch(cli: Cli, file: Path, bought: Any) -> None:
    write(file, "USDC,SOL,10")
    cli.run("submit", str(file))
    (file.parent / "done").mkdir()
    moved = str(shutil.move(file, file.parent / "done"))
    cli.run("submit", moved)
    (file.parent / "latest.csv").symlink_to(moved)
    cli.run("submit", str(file.parent / "latest.csv"))
    cli.run("submit", "-", "--batch", file.name, stdin=Path(moved).read_text())
    assert bought() == ["10"]


def test_equal_rows_are_an_order_each(cli: Cli, file: Path, bought: Any) -> None:
    for rows, new in ((2, ["5", "5"]), (3, ["5"]), (1, []), (3, [])):
        write(file, *["USDC,SOL,5"] * rows)
        done = cli.run("submit", str(file))
        assert (done.returncode, bought()) == (0, new)
        assert len({r["order"]["orderId"] for r in results(done)}) == rows


def test_a_batch_of_which_all_was_placed_says_so_even_when_quiet(cli: Cli, file: Path, bought: Any) -> None:
    write(file, "USDC,SOL,10", "USDC,SOL,11")
    assert cli.run("submit", str(file), "--quiet").stderr == ""
    again = cli.run("submit", str(file), "--quiet")
    assert again.returncode == 0
    assert "nothing new, 2 were placed today" in again.stderr and ANEW in again.stderr
    assert "nothing new" in cli.run("submit", str(file), "--quiet", "--detach").stderr
    assert bought() == ["10", "11"]
    write(file, "USDC,SOL,10", "USDC,SOL,12")
    assert cli.run("submit", str(file), "--quiet").stderr == ""
    assert cli.run("submit", str(file), "--batch", file.name + "-2", "--quiet").stderr == ""
    assert bought() == ["10", "12", "12"]


def test_an_option_written_into_the_row_is_the_same_order(cli: Cli, file: Path, bought: Any) -> None:
    body = {"inputToken": "USDC", "outputToken": "SOL", "amount": 7}
    plain, written = json.dumps(body), json.dumps(body | {"slippageBps": 10})
    file.write_text(plain)
    assert cli.run("submit", str(file), "--slippage", "0.1%").returncode == 0
    assert bought() == ["7"]
    file.write_text(written)
    done = cli.run("submit", str(file))
    assert (done.returncode, bought()) == (0, []) and "nothing new" in done.stderr
    # Both at once are two orders, of which one is there.
    file.write_text(f"{written}\n{plain}")
    assert cli.run("submit", str(file), "--slippage", "0.1%").returncode == 0
    assert bought() == ["7"]
    assert cli.run("submit", str(file), "--slippage", "0.1%").returncode == 0
    assert bought() == []
    # Other terms are refused, and nothing is bought at them.
    file.write_text(plain)
    other = cli.run("submit", str(file), "--slippage", "2%")
    assert (other.returncode, bought()) == (3, [])


FAR = {"type": "limit", "inputToken": "SOL", "outputToken": "USDC", "targetPrice": 900, "far": True}
SNIPE = {"type": "sniper", "inputToken": "USDC", "outputToken": "SOL", "launchTime": "2035-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("waits", "option", "said"),
    [
        (FAR, "0.5%", {"slippageBps": 50}),
        (FAR | {"type": "stop", "targetPrice": 1}, "2%", {"slippageBps": 200, "confirmMs": 800}),
        (FAR | {"type": "stop", "targetPrice": 1}, None, {"slippageBps": 100, "validForS": 300}),
        (SNIPE, None, {"slippageBps": 500, "validForS": 30}),
        (FAR | {"type": "stop", "targetPrice": 1, "confirmMs": 3000}, "2%", {"slippageBps": 200}),
        (FAR | {"type": "stop", "targetPrice": None, "trailBps": 4000}, "2%", {"slippageBps": 200}),
    ],
)
def test_what_waits_is_the_same_order_however_its_terms_are_said(
    cli: Cli, file: Path, bought: Any, waits: dict[str, Any], option: str | None, said: dict[str, Any]
) -> None:
    """By an option, in its row, or not at all where it is what that type brings: never a second stop."""
    options = () if option is None else ("--slippage", option)
    plain, written = (json.dumps(waits | more) for more in ({"amount": 7}, {"amount": 7} | said))
    for first, then in (((plain, *options), (written,)), ((written,), (plain, *options))):
        file.write_text(first[0])
        batch = ("--batch", os.urandom(6).hex())
        assert cli.run("submit", str(file), *batch, *first[1:]).returncode == 0
        assert bought() == ["7"]
        file.write_text(then[0])
        done = cli.run("submit", str(file), *batch, *then[1:])
        assert (done.returncode, bought()) == (0, []) and "nothing new" in done.stderr
    cli.run("cancel", "--all", "--yes")


def test_a_row_that_a_broken_pipe_cut_off_is_not_placed(cli: Cli, file: Path, bought: Any) -> None:
    """Its beginning is a row as well: of another amount, or without its bound. A file is as it was left."""
    rows, objects = f"{HEADER},minReceive\nUSDC,SOL,9,\nUSDC,SOL,1000,", '{"inputToken":"USDC",' * 2
    done = cli.run("submit", "-", stdin=rows)
    assert (done.returncode, bought()) == (2, ["9"]) and "no line end" in done.stdout
    assert cli.run("submit", "-", stdin=f"{HEADER}\n# all").returncode == 0
    assert cli.run("submit", "-", stdin=objects).returncode == 2
    file.write_text(f"{HEADER}\nUSDC,SOL,8")
    assert cli.run("submit", str(file)).returncode == 0
    whole = json.dumps({"inputToken": "USDC", "outputToken": "SOL", "amount": 7})
    assert cli.run("submit", "-", stdin=whole).returncode == 0
    assert bought() == ["7", "8"]


def test_null_undoes_no_option(cli: Cli, file: Path) -> None:
    file.write_text(
        '{"inputToken":"USDC","outputToken":"SOL","amount":11,"slippageBps":null,"validForS":null}'
    )
    (found,) = results(cli.run("submit", str(file), "--slippage", "0.1%", "--valid-for", "60s"))
    assert (found["order"]["slippageBps"], found["order"]["validForS"]) == (10, 60)


def place_as_0_1_0(api: Shared, batch: str, lines: dict[int, dict[str, Any]]) -> None:
    """As that release did: a key of the batch, the line and what stands there."""
    for line, body in lines.items():
        (key,) = former_keys(batch, body, [line])
        sent = {name: value for name, value in body.items() if value is not None}
        answer = api.http.post("/api/orders/execute", json=sent, headers={"Idempotency-Key": key})
        assert answer.status_code == 202


def test_what_an_earlier_release_began_is_gone_on_with(
    cli: Cli, api: Shared, file: Path, bought: Any
) -> None:
    rows = [f"USDC,SOL,{n}" for n in (1, 2, 2, 3, 4, 5)]
    as_bodies = [dict(zip(HEADER.split(","), row.split(","), strict=True)) for row in rows]
    # The last one it did not come to.
    place_as_0_1_0(api, str(file), dict(enumerate(as_bodies[:-1], 2)))
    assert bought() == ["1", "2", "2", "3", "4"]
    write(file, *rows)
    done = cli.run("submit", str(file))
    assert (done.returncode, bought()) == (0, ["5"])
    assert "5 of them had been placed before" in done.stderr
    # A line out, another one moved, one more of two equal ones.
    write(file, rows[5], *rows[1:5], rows[1])
    done = cli.run("submit", str(file))
    assert (done.returncode, bought()) == (0, ["2"])
    again = cli.run("submit", "-", "--batch", str(file), stdin=file.read_text())
    assert again.returncode == 0 and bought() == ["2", "5"], "a stream has what 0.1.0 made of its name"
    place_as_0_1_0(api, "monday", {1: as_bodies[0] | {"slippageBps": None}})
    bought()
    text = json.dumps(as_bodies[0] | {"slippageBps": None})
    assert "nothing new" in cli.run("submit", "-", "--batch", "monday", stdin=f"\n\n{text}").stderr
    assert bought() == []


def test_a_key_whose_order_is_no_longer_kept_is_refused_under_whatever_name(
    cli: Cli, api: Shared, file: Path, bought: Any
) -> None:
    (key,) = former_keys(str(file), {"inputToken": "USDC", "outputToken": "SOL", "amount": "6"}, [4])
    api.sql.execute(
        "INSERT INTO spent_keys VALUES (%s, gen_random_uuid(), 'confirmed', '2026-01-02T00:00Z')", (key,)
    )
    write(file, "USDC,SOL,6")
    done = cli.run("submit", str(file))
    assert (done.returncode, bought()) == (3, [])
    assert results(done)[0]["error"]["code"] == "idempotency_key_spent"


def test_here_documents_and_pipes_have_no_name_to_come_back_by(cli: Cli, file: Path, bought: Any) -> None:
    write(file, "USDC,SOL,8")
    with file.open() as stdin:
        assert cli.start("submit", "/dev/stdin", stdin=stdin).wait(20) == 0
    assert cli.run("submit", str(file)).returncode == 0
    assert bought() == ["8"], "what /dev/stdin stands for is a file of its own name"
    fd = os.open(file, os.O_RDONLY)
    file.unlink()
    process = cli.start("submit", f"/dev/fd/{fd}", pass_fds=(fd,))
    _, err = process.communicate(timeout=20)
    os.close(fd)
    assert "with --batch b-" in err and bought() == ["8"]


def test_a_pipe_that_the_command_itself_writes_to_is_no_input(cli: Cli) -> None:
    """`oee submit >(cat)`: it would wait for its own end."""
    done = cli.sh("oee submit >(cat)", fresh=True)
    assert done.returncode == 2
    assert "can't be read: it is open for writing only." in done.stderr and "or - for stdin" in done.stderr
