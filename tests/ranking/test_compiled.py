"""Machine code is kept where only its owner can write, and never outlives its sources."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.ranking import compiled
from serving.ranking.compiled import keep, turn
from tests.test_fences import python

USE = "from serving.ranking.tally import slots; slots(3)"


def test_the_place_is_the_users_alone(tmp_path: Path) -> None:
    place = keep(tmp_path / "caches" / "nextclick")
    assert place is not None
    assert [path.stat().st_mode & 0o777 for path in (place.parent, place)] == [0o700, 0o700]


def test_a_place_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    # given
    place = keep(tmp_path)
    assert place is not None

    # when / then
    for opened in (tmp_path, place):
        before = opened.stat().st_mode
        opened.chmod(0o777)
        assert keep(tmp_path) is None
        opened.chmod(before)
    assert keep(tmp_path) == place


def test_a_place_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: tmp_path.stat().st_uid + 1)
    assert keep(tmp_path) is None


def test_without_a_place_or_without_room_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    assert keep(file / "below") is None
    monkeypatch.setattr(compiled, "_ROOM_BYTES", 2**62)
    assert keep(tmp_path) is None


def test_a_change_in_any_kernel_gives_all_of_them_a_new_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: two kernels and a file that holds none
    for name, text in {"one": "@compiled", "two": "@compiled", "other": ""}.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "compiled.py"))
    caches = tmp_path / "caches"
    before = keep(caches)

    # when / then
    (tmp_path / "other.py").write_text("# changed", encoding="utf-8")
    assert keep(caches) == before
    (tmp_path / "two.py").write_text("@compiled  # changed", encoding="utf-8")
    assert keep(caches) != before


@pytest.mark.slow
def test_code_is_found_again_by_the_next_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    # when
    asked = f"{USE}; print(sum(slots.stats.cache_hits.values()))"
    first, second = python(asked), python(asked)

    # then
    assert (first.strip(), second.strip()) == ("0", "1")


@pytest.mark.slow
def test_of_processes_that_begin_at_once_one_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    asked = f"{USE}; print(sum(slots.stats.cache_misses.values()))"

    # when
    with ThreadPoolExecutor(3) as together:
        told = list(together.map(python, [asked] * 3))

    # then
    assert sorted(told) == ["0\n", "0\n", "1\n"]


def test_who_has_waited_too_long_for_another_goes_on_and_so_does_who_cannot_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "_LOOKS", 5)
    with turn(tmp_path / "kernel.turn"), turn(tmp_path / "kernel.turn"):
        pass
    with turn(tmp_path / "gone" / "kernel.turn"):
        pass


@pytest.mark.slow
def test_without_a_place_kernels_work_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nextclick").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert python(USE) == ""
