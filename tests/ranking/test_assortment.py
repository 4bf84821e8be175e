"""An assortment: what the catalogue says is not to be had is in no list, and nothing else changes."""

from __future__ import annotations

from schemas.item import Entry, Item
from serving.ranking.assortment import Assortment
from tests import worlds
from tests.worlds import NOW, name, session

ASKED = [session([name(10)])]


def away(item_id: str) -> Entry:
    return Entry(item_id, Item(item_id=item_id, available=False))


def back(item_id: str) -> Entry:
    return Entry(item_id, Item(item_id=item_id))


def shown(assortment: Assortment) -> list[str]:
    [answer] = assortment.stocked.rank(ASKED, NOW)
    return [item.item_id for item in answer.items]


def test_a_catalogue_that_says_nothing_changes_nothing() -> None:
    ranker = worlds.ranker(worlds.chain())
    assert Assortment(ranker).stocked.rank(ASKED, NOW) == ranker.rank(ASKED, NOW)


def test_what_is_unavailable_or_deleted_is_in_no_list_until_it_is_back() -> None:
    # given
    assortment = Assortment(worlds.ranker(worlds.chain()))
    before = shown(assortment)

    # when
    gone = assortment.take([away(before[0]), Entry(before[1], None), back(before[2])])

    # then
    assert gone == before[:2]
    assert assortment.hidden == 2
    assert shown(assortment) == before[2:]
    assert assortment.take([back(before[0]), back(before[1])]) == []
    assert shown(assortment) == before


def test_of_several_entries_of_an_item_the_last_one_stands() -> None:
    assortment = Assortment(worlds.ranker(worlds.chain()))
    best = shown(assortment)[0]
    assortment.take([away(best), back(best)])
    assert shown(assortment)[0] == best
    assortment.take([back(best), away(best)])
    assert shown(assortment)[0] != best


def test_what_the_table_does_not_know_is_told_too_for_older_lists_may_hold_it() -> None:
    assortment = Assortment(worlds.ranker(worlds.chain()))
    assert assortment.take([away("nobody"), Entry("no one", None), back("stranger")]) == ["nobody", "no one"]
    assert assortment.hidden == 0
