"""What earlier runs have placed of a batch: looked up before anything is sent, a page of rows at once.

A row's own key is nearly always the one. But whoever wrote an option's value into the file, or took it out,
means the same order; and 0.1.0 made its keys of a line's number, which changes with what stands above it.
Nothing here changes anything. What is held is what the keys hold, and of a batch of 0.1.0 a number an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from oee_cli.api.client_http import Client
from oee_cli.batch.batch_reader import Row
from oee_cli.batch.batch_row_keys import FORMER, WHOLE, Keys, Values, former_keys, usual_terms
from oee_cli.cli_errors import NoSuchOrder, Unreachable, UsageFault
from oee_daemon.contract.shapes import Order

#: Keys in one request: as many as a body holds.
_PAGE = 800
#: How far from its place a row of 0.1.0 is looked for, lines.
_AWAY = 100
#: Rows without an order for which that is done while nothing says that 0.1.0 began the batch: so many from
#: its beginning, and then one in so many.
_FIRST, _ONE_IN = 200, 50


class Earlier:
    """Finds a batch's orders. Rows come in their order, and on one thread."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._former = _Former(keys)
        #: Once: it may cost the daemon a walk through all keys.
        self._asks_for = {"keyPrefix": FORMER}
        self._known: dict[str, Order | None] = {}

    def found(self, page: list[Row]) -> list[Row]:
        """Returns the rows; a row that was placed before has that order and its key.

        Where retention has removed the order its key is there alone. Raises what keeps the daemon silent.
        """
        self._known = {}
        rows = [row for row in page if row.identity is not None]
        self._look_up(key for row in rows for key in (row.key, *self._former.likely(row)))
        self._look_up(key for row in rows if row.key not in self._known for _, key in self._respell(row))
        settled = {row.line: self._find_key(row) for row in rows}
        missed = [row for row in rows if settled[row.line] is None]
        passed_over = []
        for row in missed:
            if not self._former.worth_a_search():
                passed_over.append(row)
                continue
            self._search(row, settled)
        for row in passed_over if self._former.begun else ():
            self._search(row, settled)
        return [self._assign_key(row, settled.get(row.line)) for row in page]

    def _search(self, row: Row, settled: dict[int, str | None]) -> None:
        self._look_up(self._former.around(row))
        settled[row.line] = self._former.take(row, self._known)

    def _assign_key(self, row: Row, key: str | None) -> Row:
        return row if key is None else replace(row, key=key, order=self._known[key])

    def _find_key(self, row: Row) -> str | None:
        """The key under which a row was placed; `None` where nothing says that it was."""
        if row.key in self._known:
            return row.key
        assert row.identity is not None
        for values, key in self._respell(row):
            if key in self._known:
                order = self._known[key]
                same = order is None or same_terms(row, order)
                if same and self._keys.claim(values, row.identity.nth):
                    return key
        return self._former.take(row, self._known)

    def _respell(self, row: Row) -> Iterator[tuple[Values, str]]:
        """The same order with an option's value written into the row, or not."""
        assert row.identity is not None
        values = row.identity.values
        bare = {name: value for name, value in values.items() if name not in WHOLE}
        usual = usual_terms(row.body)
        asked: Values = {name: value for name, value in row.body.items() if usual.get(name) != value}
        spelled: list[list[Values]] = [[{}, {name: asked[name]}] if name in asked else [{}] for name in WHOLE]
        for terms in product(*spelled):
            other = bare | {name: value for term in terms for name, value in term.items()}
            if other != values:
                yield other, self._keys.key(other, row.identity.nth)

    def _look_up(self, keys: Iterable[str]) -> None:
        asked = [key for key in dict.fromkeys(keys) if key not in self._known]
        for at in range(0, len(asked), _PAGE):
            answer = self._request(asked[at : at + _PAGE])
            self._known |= dict.fromkeys(answer["spentKeys"])
            self._known |= {order["idempotencyKey"]: order for order in answer["orders"]}
            if answer["prefixKnown"] is not None:
                self._former.possible = answer["prefixKnown"]
                self._asks_for = {}

    def _request(self, keys: list[str]) -> dict[str, Any]:
        asked = {"idempotencyKeys": keys, **self._asks_for}
        try:
            answer: dict[str, Any] = self._client.read("POST", "/api/orders/find", json=asked)
        except (UsageFault, NoSuchOrder):
            raise Unreachable(
                "The daemon is of an earlier release, which can't say all that was placed before.",
                hint="Bring it to this one: oee daemon restart",
                code="protocol_mismatch",
            ) from None
        return answer


class _Former:
    """A batch that 0.1.0 began: its lines may have moved since, most of them by the same number of lines."""

    def __init__(self, keys: Keys) -> None:
        self._name = keys.former
        #: Whether the engine knows keys of 0.1.0 at all; and this batch's.
        self.possible = True
        self.begun = False
        self._missed = 0
        self._shift = 0
        #: Ends of keys that rows have got, so that equal rows get one each.
        self._taken: set[int] = set()

    def likely(self, row: Row) -> Iterator[str]:
        """The row's keys on its own line, and on the line moved as far as the last row that was found."""
        return self._keys(row, dict.fromkeys([self._shift, 0]))

    def around(self, row: Row) -> Iterator[str]:
        """The keys that the row had on the lines around it, from near to far."""
        return self._keys(row, _AROUND)

    def _keys(self, row: Row, shifts: Iterable[int]) -> Iterator[str]:
        assert row.identity is not None
        if self._name is None or not self.possible:
            return iter(())
        return former_keys(self._name, row.identity.stood, (row.line + shift for shift in shifts))

    def take(self, row: Row, known: Mapping[str, Order | None]) -> str | None:
        """Claims the row's nearest key that the engine knows and no other row has."""
        for shift, key in zip(_AROUND, self.around(row), strict=False):
            if key in known and (end := int(key[-16:], 16)) not in self._taken:
                self._taken.add(end)
                self.begun, self._shift = True, shift
                return key
        return None

    def worth_a_search(self) -> bool:
        """Whether a row without an order may be one of 0.1.0's. Asked once for each."""
        self._missed += 1
        may_be = self._name is not None and self.possible
        return may_be and (self.begun or self._missed <= _FIRST or self._missed % _ONE_IN == 0)


_AROUND = tuple(sorted(range(-_AWAY, _AWAY + 1), key=abs))


def same_terms(row: Row, order: Order) -> bool:
    """Whether the order under a row's key has the terms that this run's options and the row ask for."""
    found: Any = order
    asked = {**usual_terms(row.body), **row.body}
    return all(found.get(name) == asked.get(name) for name in WHOLE)
