"""A table that grows is what a table made anew would be, but for where what came later lies."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.item import Item
from schemas.wire import EpochMs
from serving.ranking.growth import Growth
from serving.ranking.table import Table

IDS = st.text("abü", min_size=1, max_size=2)
TEXTS = st.sampled_from(["", "Lamp", "Rüg", "A much longer title than before"])


def items(item_id: str) -> st.SearchStrategy[Item]:
    return st.builds(
        Item,
        item_id=st.just(item_id),
        title=TEXTS,
        category=st.sampled_from([(), ("Home",), ("Home", "Light"), ("Garden",)]),
        brand=st.sampled_from([None, "Lux", "Älter"]),
        price=st.sampled_from([None, "0", "19.99", "0.1"]),
        created_at=st.sampled_from([None, EpochMs(1), EpochMs(1_700_000_000_000)]),
    )


CATALOGUES = st.lists(IDS, max_size=12).flatmap(lambda ids: st.tuples(*map(items, sorted(set(ids)))))


def rows(table: Table) -> dict[str, Any]:
    """What is known of each item, whatever its index and the codes."""
    return {
        table.id(at): (
            table.title(at),
            table.category(code) if (code := int(table.categories[at])) >= 0 else (),
            table.brand(code) if (code := int(table.brands[at])) >= 0 else None,
            repr(float(table.prices[at])),
            int(table.created[at]),
        )
        for at in range(len(table))
    }


@given(before=CATALOGUES, said=CATALOGUES, again=CATALOGUES)
def test_a_grown_table_is_one_made_of_all_that_was_told(
    before: tuple[Item, ...], said: tuple[Item, ...], again: tuple[Item, ...]
) -> None:
    # given
    table = Table.make((), {item.item_id: item for item in before})
    growth, known = Growth(table), {item.item_id: item for item in before}

    # when
    late: dict[str, Item] = {}
    for item in (*said, *again):
        place = int(table.find([item.item_id])[0])
        if place >= 0:
            assert growth.tell(place, item) == (item != known[item.item_id])
        else:
            late[item.item_id] = item
        known[item.item_id] = item
    grown = growth.table([late[item_id] for item_id in sorted(late)])

    # then
    made = Table.make((), known)
    assert rows(grown) == rows(made)
    assert [grown.id(at) for at in range(len(table))] == list(table.ids), "who is known stays where he is"
    assert grown.find([*made.ids, "nobody"]).tolist() == [*map(list(grown.ids).index, made.ids), -1]
    order = grown.order(grown.find(list(made.ids)))
    assert order.tolist() == list(range(len(made)))
    assert grown.created_after(1_000).tolist() == sorted(
        (at for at in range(len(grown)) if grown.created[at] > 1_000), key=lambda at: (grown.created[at], at)
    )
    assert rows(table) == rows(Table.make((), {item.item_id: item for item in before})), "what ranked goes on unchanged"
