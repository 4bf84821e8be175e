"""Each metric moves when what it names happens, on a real worker between a real Kafka and a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final, get_args

import pytest
from msgspec.structs import replace

from schemas.click import EventType
from serving.state import bundles
from stream.stages import Stage
from tests.kit import topic
from tests.kit.shop import Shop
from tests.kit.worker import BUNDLE, Worker, summed

WHOLE: Final = "nextclick_click_to_recommendation_seconds"
_LATE_MS: Final = 31 * 60_000


@pytest.fixture
def worker(shop: Shop) -> Iterator[Worker]:
    worker = shop.worker()
    worker.await_assigned()
    yield worker
    assert worker.stop() == 0


def events(worker: Worker) -> dict[tuple[str, str], float]:
    """By type and outcome."""
    told = worker.metrics()
    found = {}
    for kind in (*get_args(EventType), "erase"):
        for outcome in ("applied", "unchanged", "duplicate", "late", "erased"):
            value = told.get(f'nextclick_events_total{{outcome="{outcome}",type="{kind}"}}', 0)
            if value:
                found[kind, outcome] = value
    return found


def test_events_are_counted_by_type_and_by_what_became_of_them(shop: Shop, worker: Worker) -> None:
    clicks = shop.clicks(6, sessions=1)
    now = clicks[0].ts
    purchase, like = replace(clicks[1], type="purchase"), replace(clicks[2], type="like")
    impression = replace(clicks[3], type="impression")
    late = replace(clicks[4], type="cart", ts=now - _LATE_MS)
    refused = replace(clicks[5], consent=False)

    shop.send([clicks[0], clicks[0], purchase, like, impression, late, refused])

    topic.eventually(lambda: summed(worker.metrics(), "nextclick_events_total{") == 7, "all are counted")
    assert events(worker) == {
        ("view", "applied"): 1,
        ("view", "duplicate"): 1,
        ("purchase", "applied"): 1,
        ("like", "applied"): 1,
        ("impression", "unchanged"): 1,
        ("cart", "late"): 1,
        ("erase", "erased"): 1,
    }


def test_a_letter_to_the_dead_is_counted_by_its_reason(shop: Shop, worker: Worker) -> None:
    topic.produce(shop.settings.kafka, shop.names.clickstream, [(b"s1", b"{", [])])

    topic.eventually(lambda: summed(worker.metrics(), "nextclick_dead_letters_total{") == 1, "it is counted")


def has_answered(worker: Worker, clicks: int) -> bool:
    return worker.metrics().get(f"{WHOLE}_count", 0) == clicks


def test_the_stages_of_a_click_add_up_to_its_way_from_end_to_end(shop: Shop, worker: Worker) -> None:
    for number, click in enumerate(shop.clicks(20, sessions=20)):
        shop.send([click])
        topic.eventually(partial(has_answered, worker, number + 1), "its list is out", every_s=0.02)

    told = worker.metrics()
    assert [told[f'nextclick_stage_seconds_count{{stage="{stage}"}}'] for stage in get_args(Stage)] == [20.0] * 6
    assert all(told[f'nextclick_stage_seconds_sum{{stage="{stage}"}}'] > 0 for stage in get_args(Stage))
    # The whole is measured in whole milliseconds, and what lies between two stages is nobody's.
    assert summed(told, "nextclick_stage_seconds_sum") == pytest.approx(told[WHOLE + "_sum"], abs=20 * 0.003, rel=0.1)


def test_a_worker_tells_which_model_ranks_and_when_that_was_made(worker: Worker) -> None:
    manifest = bundles.read_manifest(Path(BUNDLE))

    told = worker.metrics()

    assert told[f'nextclick_model{{version="{manifest.version}"}}'] == 1
    assert told["nextclick_model_trained_timestamp_seconds"] == manifest.created_at / 1000


def test_what_waits_is_told_by_partition_and_what_is_folded_by_batch(shop: Shop, worker: Worker) -> None:
    shop.send(shop.clicks(40, sessions=10))

    topic.eventually(lambda: worker.metrics()["nextclick_fold_batch_events_sum"] == 40, "all are folded")
    lags = [f'nextclick_lag_records{{partition="{number}"}}' for number in range(4)]
    topic.eventually(lambda: [worker.metrics().get(lag) for lag in lags] == [0.0] * 4, "none waits any more")
