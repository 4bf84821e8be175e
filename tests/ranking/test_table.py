"""The item table: what goes in comes out, from arrays that may lie in a mapped file, and no others are taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.item import Item
from schemas.wire import EpochMs
from serving.ranking import arrays, table
from serving.ranking.table import Table
from serving.ranking.texts import Texts

PRINTABLE = st.characters(exclude_categories=["Cc", "Cs"])
IDS = st.text(PRINTABLE, min_size=1, max_size=40)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def shop() -> dict[str, Item]:
    return {
        item.item_id: item
        for item in (
            Item(item_id="b-lamp", title="Lamp", category=("Home", "Light"), brand="Lux", price="19.99"),
            Item(item_id="a-chair", category=("Home",), created_at=EpochMs(1_000)),
            Item(item_id="c-köln", title="Kölnisch Wasser", brand="Älter", price="0"),
        )
    }


def again(made: Table) -> Table:
    """By the way a bundle takes."""
    return Table.read({name: arrays.decode(arrays.encode(array)) for name, array in made.arrays().items()})


def test_a_table_knows_every_item_of_log_and_catalogue_in_the_order_of_their_ids() -> None:
    # when
    known = again(Table.make(["z", "b-lamp", "z"], shop()))

    # then
    assert list(known.ids) == ["a-chair", "b-lamp", "c-köln", "z"]
    assert len(known) == 4
    assert known.find(["c-köln", "nobody", "z", "", "a-chair", "a-chair"]).tolist() == [2, -1, 3, -1, 0, 0]
    assert known.find([]).tolist() == []


def test_what_the_catalogue_says_of_an_item_is_in_its_row() -> None:
    # when
    known = again(Table.make(["z"], shop()))

    # then
    assert [known.title(index) for index in range(4)] == ["a-chair", "Lamp", "Kölnisch Wasser", "z"]
    assert [known.category(code) if code >= 0 else () for code in known.categories.tolist()] == [
        ("Home",), ("Home", "Light"), (), (),
    ]  # fmt: skip
    assert [known.brand(code) if code >= 0 else None for code in known.brands.tolist()] == [None, "Lux", "Älter", None]
    assert known.prices.tolist() == pytest.approx([np.nan, 19.99, 0, np.nan], nan_ok=True)
    assert known.created.tolist() == [1_000, 0, 0, 0]


def test_an_empty_table_is_a_table() -> None:
    known = again(Table.make([]))
    assert (len(known), known.find(["a"]).tolist()) == (0, [-1])


@given(ids=st.lists(IDS, max_size=30), others=st.lists(IDS, max_size=5))
def test_every_item_is_found_and_no_other(ids: list[str], others: list[str]) -> None:
    # when
    known = again(Table.make(ids))

    # then
    ordered = sorted(set(ids))
    assert list(known.ids) == ordered
    expected = [ordered.index(each) if each in ordered else -1 for each in ids + others]
    assert known.find(ids + others).tolist() == expected


def test_two_ids_with_one_hash_are_not_taken_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    # given: a hash that tells nothing apart
    monkeypatch.setattr(table, "hashed", lambda coded: 1)
    known = again(Table.make(["a", "b", "c"]))

    # then
    assert known.find(["b", "x", "a", "c"]).tolist() == [1, -1, 0, 2]


@given(texts=st.lists(WORDS, max_size=30))
def test_texts_are_what_they_were_made_of(texts: list[str]) -> None:
    # when
    made = Texts.make(texts)
    read = Texts.read(made.run, made.starts)

    # then
    assert list(read) == texts
    assert read[:] == texts
    assert read.lengths.tolist() == [len(text) for text in texts]


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], min_codepoint=1), max_size=20), max_size=10))
def test_texts_ascend_as_python_sorts_them(texts: list[str]) -> None:
    assert Texts.make(texts).ascend() == (texts == sorted(set(texts)))
    assert Texts.make(sorted(set(texts))).ascend()


Change = Callable[[dict[str, NDArray[Any]]], None]


def put(name: str, at: int, value: float) -> Change:
    def change(said: dict[str, NDArray[Any]]) -> None:
        said[name][at] = value

    return change


def as_type(name: str, kind: str) -> Change:
    return lambda said: said.update({name: said[name].astype(kind)})


def with_ids(*ids: str) -> Change:
    def change(said: dict[str, NDArray[Any]]) -> None:
        texts = Texts.make(ids)
        said["ids"], said["id_starts"] = texts.run, texts.starts

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_ids("a-chair", "c-köln", "b-lamp"), "in order"),
        (with_ids("a-chair", "b-lamp", "b-lamp"), "in order"),
        (with_ids("a-chair", "b-lamp", "b-lam"), "in order"),
        (with_ids("", "b-lamp", "c-köln"), "printable"),
        (with_ids("a\n", "b-lamp", "c-köln"), "printable"),
        (with_ids("a" * 129, "b-lamp", "c-köln"), "printable"),
        (with_ids("a-chair", "b-lamp"), "`titles`"),
        (with_ids("a-chair", "b-lamp", "c-koln"), "`hashes`"),
        (put("ids", 0, 0xFF), "`ids`"),
        (put("id_starts", 3, 18), "do not divide"),
        (put("id_starts", 0, 1), "do not divide"),
        (put("id_starts", 1, 20), "do not divide"),
        (put("title_starts", 2, 6), "inside a character"),
        (put("titles", 5, 0x20), "`titles`"),
        (as_type("titles", "i1"), "`titles`"),
        (as_type("title_starts", "i4"), "`titles`"),
        (as_type("title_starts", ">i8"), "`titles`"),
        (put("categories", 0, 2), "`categories`"),
        (put("categories", 0, -2), "`categories`"),
        (put("brands", 0, 2), "`brands`"),
        (put("path_starts", 1, 9), "`path_starts`"),
        (put("prices", 0, -1), "`prices`"),
        (put("prices", 0, np.inf), "`prices`"),
        (as_type("prices", "f8"), "`prices`"),
        (put("created", 0, -1), "`created`"),
        (lambda said: said.update(created=said["created"][:-1]), "`created`"),
        (put("hashes", 0, 2**63), "`hashes`"),
        (put("hash_owners", 0, 3), "`hash_owners`"),
        (lambda said: said.update(hash_owners=np.zeros(3, dtype=np.int32)), "`hashes`"),
        (lambda said: said.update(hashes=np.sort(said["hashes"] // 2)), "`hashes`"),
        (lambda said: said.update(hash_owners=said["hash_owners"][::-1].copy()), "`hashes`"),
    ],
)
def test_arrays_that_do_not_hold_together_are_refused(change: Change, says: str) -> None:
    # given
    said = {name: np.array(array) for name, array in Table.make([], shop()).arrays().items()}
    Table.read(said)

    # when
    change(said)

    # then
    with pytest.raises(ValueError, match=says):
        Table.read(said)


def test_a_missing_array_is_named() -> None:
    said = dict(Table.make([], shop()).arrays())
    for name in said:
        with pytest.raises(KeyError, match=name):
            Table.read({other: array for other, array in said.items() if other != name})


def test_what_is_announced_is_there_from_its_moment_on() -> None:
    # given
    days = {"now": None, "later": 2_000, "last": 3_000, "before": 1_000}
    items = {at: Item(item_id=at, created_at=None if ms is None else EpochMs(ms)) for at, ms in days.items()}
    table = Table.make((), items)

    # then
    assert [sorted(table.named(table.created_after(now))) for now in (0, 1_000, 1_999, 2_000, 3_000, 9_000)] == [
        ["before", "last", "later"],
        ["last", "later"],
        ["last", "later"],
        ["last"],
        [],
        [],
    ]
