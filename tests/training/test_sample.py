"""The sample: small, attributed, nobody's name in it, and split in time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from nextclick.sample import BUNDLE, CATALOGUE, REPLAY, TRAIN
from serving.state import bundles
from training import log
from training.catalogue import Catalogue

HERE = Path(TRAIN).parent
MAX_BYTES = 7_000_000
BUNDLE_MAX_BYTES = 6_000_000


def test_the_sample_is_small_and_says_whose_it_is() -> None:
    assert sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file()) < MAX_BYTES
    said = (HERE / "README.md").read_text(encoding="utf-8")
    for words in (
        "Online Retail",
        "D. Chen",
        "10.24432/C5BW33",
        "CC BY 4.0",
        "creativecommons.org/licenses/by/4.0",
        "changed",
    ):
        assert words in said


def test_the_sample_has_no_fault_and_no_customer() -> None:
    for path in (TRAIN, REPLAY):
        events = log.read([path])
        clicks = list(events)
        assert events.faults.total() == 0
        assert {click.type for click in clicks} == {"purchase"}
        assert all(click.user_id is None for click in clicks)
        assert [click.ts for click in clicks] == sorted(click.ts for click in clicks)
        baskets = Counter((click.session_id, click.item_id) for click in clicks)
        assert max(baskets.values()) == 1


def test_who_is_replayed_comes_after_who_was_learned_from() -> None:
    # given
    before, after = (list(log.read([path])) for path in (TRAIN, REPLAY))

    # then
    assert max(click.ts for click in before) < min(click.ts for click in after)
    assert not {click.session_id for click in before} & {click.session_id for click in after}


def test_every_item_of_the_sample_has_a_title_and_a_price() -> None:
    # given
    catalogue = Catalogue(CATALOGUE)
    items = {item.item_id: item for item in catalogue}

    # then
    assert catalogue.faults.total() == 0
    assert all(item.title and item.price and item.currency == "GBP" for item in items.values())
    assert {click.item_id for path in (TRAIN, REPLAY) for click in log.read([path])} == set(items)


def test_the_demo_bundle_verifies_and_names_no_place() -> None:
    # when
    manifest, found = bundles.verify(BUNDLE)

    # then
    assert found.ranker.version == manifest.version
    assert found.ranker.options.order == "learned"
    assert sum(path.stat().st_size for path in BUNDLE.iterdir()) <= BUNDLE_MAX_BYTES
    assert "/" not in manifest.command
    assert len(manifest.golden.sessions) == 16
