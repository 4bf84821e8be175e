"""What a catalogue of a million items costs: to load it into the topic, and every worker to read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from nextclick.bench import conditions, shop
from schemas.item import Item
from schemas.settings import Settings
from serving.ranking.table import Table
from serving.state import bundles, topics
from tests.kit.command import ROOT, nextclick
from tests.kit.worker import environment

ITEMS: Final = 1_000_000
#: One in ten is not to be had.
_HIDDEN: Final = 10
#: What a worker may take of memory for its catalogue, while it reads and afterwards.
LIMIT_BYTES: Final = 10**9
_WAIT_S: Final = 600

_READ: Final = """
import asyncio, json, os, resource, sys, time
from pathlib import Path
from serving.ranking.assortment import Assortment
from serving.state import bundles
from schemas.settings import Settings
from serving.state.catalogue import Catalogue

def own():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

async def read(ranker, settings, topic):
    before, begun, spent = own(), time.perf_counter(), time.process_time()
    assortment, catalogue, entries, most = Assortment(ranker), Catalogue(settings, topic), 0, 0
    while not catalogue.caught_up:
        found = await catalogue.next()
        entries += len(found)
        assortment.take(found)
        if entries % 50 == 0:
            most = max(most, own() - before)
        await asyncio.sleep(0)
    told = {"entries": entries, "hidden": assortment.hidden, "read_s": time.perf_counter() - begun,
            "read_cpu_s": time.process_time() - spent}
    begun = time.perf_counter()
    if assortment.outgrown:
        assortment.grow()
    told |= {"grow_s": time.perf_counter() - begun, "bytes": max(most, own() - before)}
    await catalogue.close()
    return told

print(json.dumps(asyncio.run(read(bundles.load(Path(sys.argv[1])), Settings.read(os.environ, {}), sys.argv[2]))))
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bundle") / "million"
    shop.publish(place, ITEMS)
    return place


def catalogue(table: Table, title: str) -> Iterator[bytes]:
    """What the bundle was made of, but for what things are called."""
    for at in range(len(table)):
        yield msgspec.json.encode(
            Item(
                item_id=table.id(at),
                title=title.format(table.titles[at]),
                description="Something that is there to be described, and described it is. " * 3,
                category=table.category(int(table.categories[at])),
                brand=table.brand(int(table.brands[at])),
                price=f"{float(table.prices[at]):.2f}",
                currency="EUR",
                available=at % _HIDDEN != 0,
                image=f"https://shop.example/images/{at}.jpg",
            )
        )


@pytest.mark.bench
@pytest.mark.kafka
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(("name", "title"), [("as it was in training", "{}"), ("every title another", "{}, renamed")])
def test_a_million_items_are_loaded_and_read(
    settings: Settings, bundle: Path, tmp_path: Path, name: str, title: str
) -> None:
    # given
    topics.create(settings, 30)
    file = tmp_path / "items.ndjson"
    table = bundles.verify(bundle)[1].ranker.table
    file.write_bytes(b"\n".join(catalogue(table, title)))

    # when
    loads = [_loaded(settings, file) for _ in range(2)]
    read = _python(_READ, settings, bundle, f"{settings.topic_prefix}catalog")

    # then
    print(f"\n{conditions.line('aiokafka', 'msgspec', 'numpy')}; {ITEMS:,} items, {name}")
    for what, seconds in zip(("new", "unchanged"), loads, strict=True):
        print(f"nextclick catalog load, all of it {what}: {seconds:.0f} s")
    print(
        f"read by a worker: {read['read_s']:.1f} s ({read['read_cpu_s']:.1f} s of one core), and "
        f"{read['grow_s']:.1f} s to grow; {read['bytes'] / 1e6:.0f} MB beside the bundle"
    )
    assert (read["entries"], read["hidden"]) == (ITEMS, ITEMS // _HIDDEN)
    assert read["bytes"] < LIMIT_BYTES


def _loaded(settings: Settings, file: Path) -> float:
    begun = time.perf_counter()
    done = nextclick("catalog", "load", file, environment=environment(settings), timeout_s=_WAIT_S)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - begun


def _python(code: str, settings: Settings, *arguments: str | Path) -> dict[str, Any]:
    ours = {**environment(settings), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env={**os.environ, **ours},
        capture_output=True, text=True, timeout=_WAIT_S, check=True,
    )  # fmt: skip
    told: dict[str, Any] = json.loads(done.stdout)
    return told
