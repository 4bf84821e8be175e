"""What a second worker on the same great bundle costs: its pages are shared, and it loads in seconds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nextclick.bench import conditions
from serving.ranking import arrays
from tests.kit.bundles import publish
from tests.kit.command import ROOT
from tests.worlds import World

ITEMS = 1_000_000
NEIGHBOURS = 60
WIDTH = 64

#: A worker as far as memory is concerned: a ranker in service that has ranked, and the vectors of its items.
WORKER = """
import sys, time
from pathlib import Path
import numpy as np
from serving.state import bundles
begun = time.perf_counter()
ranker = bundles.load(Path(sys.argv[1]))
vectors = np.load(sys.argv[2], mmap_mode="r")
assert np.isfinite(vectors).all()
print(time.perf_counter() - begun, flush=True)
sys.stdin.read()
"""


@pytest.mark.bench
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="shared pages are told by /proc")
def test_two_workers_on_one_bundle_of_a_million_items_take_less_than_1_3_times_the_memory_of_one(
    tmp_path: Path,
) -> None:
    # given
    publish(tmp_path / "bundle", World(ITEMS, ((1, 2, 3), (2, 3, 4), (5, 6))), replaced=_neighbours())
    chance = np.random.default_rng(0)
    np.save(tmp_path / "vectors.npy", chance.random((ITEMS, WIDTH), dtype=np.float32).astype(np.float16))
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.npy"))

    # when
    with _worker(tmp_path) as (first, seconds):
        alone = _pss(first)
        with _worker(tmp_path) as (second, _):
            together = _pss(first) + _pss(second)

    # then
    print(f"\n{conditions.line('numpy')}; {ITEMS:,} items, {NEIGHBOURS} neighbours each, {size / 2**20:,.0f} MiB")
    print(f"  loaded, every byte hashed, in {seconds:.1f} s")
    print(f"  PSS of one {alone / 2**20:,.0f} MiB, of two {together / 2**20:,.0f} MiB: {together / alone:.2f} times")
    assert together < 1.3 * alone


def _neighbours() -> dict[str, bytes]:
    """Full lists, of a catalogue whose every item has been seen beside many."""
    chance = np.random.default_rng(1)
    found: dict[str, NDArray[Any]] = {
        "starts": np.arange(0, (ITEMS + 1) * NEIGHBOURS, NEIGHBOURS, dtype=np.int64),
        "ids": chance.integers(0, ITEMS, ITEMS * NEIGHBOURS, dtype=np.int32),
        "scores": chance.random(ITEMS * NEIGHBOURS, dtype=np.float32).astype(np.float16),
    }
    return {f"covisitation.{name}.npy": arrays.encode(array) for name, array in found.items()}


@contextmanager
def _worker(directory: Path) -> Iterator[tuple[int, float]]:
    """Its process id, once it is ready, and the seconds until then."""
    command = [sys.executable, "-c", WORKER, str(directory / "bundle"), str(directory / "vectors.npy")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.pid, float(process.stdout.readline())
        process.communicate("")


def _pss(process: int) -> int:
    """Proportional set size in bytes: a page that two share counts half for each."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no Pss in smaps_rollup")
