"""What every source keeps to, whatever it knows."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.ranking import arrays
from serving.ranking.query import Query
from serving.ranking.sources.source import NOBODY, Candidates, Source
from tests import worlds
from tests.worlds import World

WORLDS: Final = {
    "chain": worlds.chain(),
    "checkerboard": worlds.checkerboard(),
    "shelves": worlds.shelves(),
    "fashion": worlds.fashion(),
    "substitutes": worlds.substitutes(),
    "one session": World(3, ((0, 1, 0),)),
    "one item": World(1, ((0,), (0, 0))),
    "no past": World(3, ()),
    "no items": World(0, ()),
}
every_world = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)


def query(*items: int) -> Query:
    """A session of these items, one view a second."""
    times = worlds.NOW + 1000 * np.arange(len(items), dtype=np.int64)
    return Query(np.array(items, dtype=np.int32), np.zeros(len(items), dtype=np.uint8), times, worlds.NOW)


def visits(world: World, count: int = 8) -> list[Query]:
    """Sessions of all lengths that a person, or a robot, may have there."""
    chance = random.Random(7)
    lengths = (0, 1, 2, 3, 10, 50)
    return [
        query(*(chance.choices(range(world.items), k=lengths[at % len(lengths)]) if world.items else ()))
        for at in range(count)
    ]


class SourceLaws(ABC):
    """The laws of a source. Each source supplies only its kind."""

    @abstractmethod
    def kind(self) -> type[Source]: ...

    @every_world
    def test_candidates_come_once_and_best_first_and_equal_ones_by_index(self, world: World) -> None:
        source = self.kind().fit(world.log)
        for visit in visits(world):
            keeps_the_contract(source.candidates(visit, 20), visit, world, 20)

    @every_world
    @pytest.mark.parametrize("limit", [0, 1, 5])
    def test_a_smaller_limit_cuts_the_end_off(self, world: World, limit: int) -> None:
        source = self.kind().fit(world.log)
        for visit in visits(world):
            some, all_of_them = source.candidates(visit, limit), source.candidates(visit, 10_000)
            assert listed(some) == [column[:limit] for column in listed(all_of_them)]

    @every_world
    def test_its_arrays_hold_all_it_knows(self, world: World) -> None:
        # given
        source = self.kind().fit(world.log)

        # when
        read = self.kind().read(stored(source), world.items)

        # then
        for visit in visits(world):
            assert listed(read.candidates(visit, 50)) == listed(source.candidates(visit, 50))

    @every_world
    def test_what_it_reads_it_keeps_as_it_is(self, world: World) -> None:
        # given: arrays that other processes share
        shared = stored(self.kind().fit(world.log))

        # when
        kept = self.kind().read(shared, world.items).arrays()

        # then
        assert kept.keys() == shared.keys()
        assert all(np.shares_memory(kept[name], shared[name]) for name in shared if shared[name].size)

    @every_world
    def test_the_same_past_gives_the_same_arrays(self, world: World) -> None:
        first, second = (self.kind().fit(world.log).arrays() for _ in range(2))
        assert {name: arrays.encode(array) for name, array in first.items()} == {
            name: arrays.encode(array) for name, array in second.items()
        }

    def test_arrays_of_another_form_are_refused(self) -> None:
        # given
        world = WORLDS["shelves"]
        whole = stored(self.kind().fit(world.log))

        for name, array in whole.items():
            for other in (array.astype(np.complex128), array[:, None], *damaged(array)):
                # when / then
                with pytest.raises(ValueError, match="`"):
                    self.kind().read({**whole, name: other}, world.items)
            with pytest.raises(KeyError, match=name):
                self.kind().read({key: value for key, value in whole.items() if key != name}, world.items)

    def test_arrays_cut_short_are_refused_or_still_lawful(self) -> None:
        # given
        world = WORLDS["shelves"]
        whole = stored(self.kind().fit(world.log))

        for name, array in whole.items():
            for part in (array[:-1], array[1:], array[:0], np.concatenate((array, array))):
                # when
                try:
                    source = self.kind().read({**whole, name: part}, world.items)
                except ValueError:
                    continue

                # then
                for visit in visits(world):
                    keeps_the_contract(source.candidates(visit, 20), visit, world, 20)

    def test_threads_may_share_it(self) -> None:
        # given
        world = WORLDS["checkerboard"]
        source = self.kind().fit(world.log)
        alone = [listed(source.candidates(visit, 20)) for visit in visits(world)]

        # when
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda visit: listed(source.candidates(visit, 20)), visits(world) * 50))

        # then
        assert found == alone * 50


def keeps_the_contract(found: Candidates, visit: Query, world: World, limit: int) -> None:
    ids, scores, because = listed(found)
    assert [column.dtype.name for column in (found.ids, found.scores, found.because)] == ["int32", "float32", "int32"]
    assert len(ids) == len(scores) == len(because) <= limit
    assert len(set(ids)) == len(ids)
    assert set(ids) <= set(range(world.items))
    assert set(because) <= {NOBODY, *visit.items.tolist()}
    assert np.isfinite(found.scores).all()
    order = [(-score, item) for item, score in zip(ids, scores, strict=True)]
    assert order == sorted(order)


def listed(found: Candidates) -> list[list[Any]]:
    return [found.ids.tolist(), found.scores.tolist(), found.because.tolist()]


def scored(found: Candidates) -> dict[int, float]:
    return dict(zip(found.ids.tolist(), found.scores.tolist(), strict=True))


def stored(source: Source) -> dict[str, NDArray[Any]]:
    """Its arrays, once through a bundle's files: for reading alone from then on."""
    return {name: arrays.decode(arrays.encode(array)) for name, array in source.arrays().items()}


def damaged(array: NDArray[Any]) -> Sequence[NDArray[Any]]:
    """With one value that no such array can hold."""
    if array.dtype.kind == "f":
        return [_replaced(array, value) for value in (np.nan, np.inf, -1)]
    return [_replaced(array, np.iinfo(array.dtype).max)]


def _replaced(array: NDArray[Any], value: float) -> NDArray[Any]:
    changed = array.copy()
    changed[len(changed) // 2] = value
    return changed
