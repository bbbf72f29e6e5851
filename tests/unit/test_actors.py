"""Whatever stands in a queue message, it names an order or nothing."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from oee_daemon.engine.engine_actors import named

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(json_values, max_size=3), st.dictionaries(st.text(), json_values, max_size=2))
def test_a_message_that_names_no_order_is_none(arguments: list[object], options: dict[str, object]) -> None:
    found = named(tuple(arguments), options)
    assert found is None or (str(arguments[0]) and isinstance(found, UUID) and not options)


@given(st.uuids())
def test_a_message_that_names_an_order_is_that_order(order_id: UUID) -> None:
    assert named((str(order_id),), {}) == order_id
    assert named((str(order_id), str(order_id)), {}) is None
    assert named((str(order_id),), {"more": 1}) is None
