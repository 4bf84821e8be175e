"""Laws of the mark below which every letter was sent back."""

from __future__ import annotations

from nextclick.dead.letterbox import Found
from nextclick.dead.tide import Tide
from schemas.letter import Letter, Source
from tests.worlds.histories import START_MS


def found(offset: int, source: int | None, partition: int = 0) -> Found:
    letter = None if source is None else Letter(_source(source), "invalid", "d", b"k", b"v")
    return Found(letter, partition, offset, START_MS)


def _source(offset: int) -> Source:
    return Source("clickstream", 0, offset, START_MS)


def back(*offsets: int) -> frozenset[Source]:
    return frozenset(map(_source, offsets))


def test_it_rises_to_the_first_letter_that_is_still_to_be_sent_back() -> None:
    tide = Tide({0: 0})

    assert tide.rise([found(0, 10), found(1, 11), found(2, 12), found(3, 13)], back(10, 11, 13).__contains__)
    assert tide.marks == {0: 2}
    assert not tide.rise([found(4, 14)], back(10, 11, 13, 14).__contains__)
    assert tide.marks == {0: 2}


def test_a_copy_is_sent_back_with_its_letter_and_what_is_no_letter_holds_nothing_up() -> None:
    tide = Tide({0: 0})
    tide.rise([found(0, 10), found(1, None), found(2, 10), found(5, 11)], back(10).__contains__)
    assert tide.marks == {0: 3}


def test_it_never_falls() -> None:
    tide = Tide({0: 7})
    assert not tide.rise([found(3, 10), found(6, 11)], back().__contains__)
    assert tide.rise([found(7, 12)], back(12).__contains__)
    assert tide.marks == {0: 8}


def test_partitions_rise_by_themselves() -> None:
    tide = Tide({0: 0, 1: 0})
    tide.rise([found(0, 10), found(0, 11, partition=1)], back(11).__contains__)
    assert tide.marks == {0: 0, 1: 1}
