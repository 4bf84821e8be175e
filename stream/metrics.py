"""What the worker tells Prometheus. Labels come from small fixed sets, never from an event."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.state.inventory import Inventory
from stream.progress import Lane
from stream.stages import Stages

_LATENCY_BUCKETS_S: Final = (0.001, 0.002, 0.004, 0.006, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
#: Above 0.25 s heartbeats and commits come late, and something that computes belongs off the loop.
_LOOP_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_BATCH_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


class Metrics(Inventory):
    """One registry a process, passed in, so that tests and several workers do not meet in a global."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.time) -> None:
        super().__init__(registry)
        self.registry = registry
        self.stages = Stages(registry, clock)
        self.events = Counter(
            "nextclick_events", "Events by type and by what the fold did with them.", ["type", "outcome"],
            registry=registry,
        )  # fmt: skip
        self.profile_events = Counter(
            "nextclick_profile_events",
            "Events of users by what the fold of their profiles did with them.",
            ["outcome"],
            registry=registry,
        )
        self.dead = Counter(
            "nextclick_dead_letters", "Records that no session could take.", ["reason"], registry=registry
        )
        self.holes = Counter(
            "nextclick_offset_holes",
            "Offsets of the clickstream that hold no record, as transactions leave them.",
            registry=registry,
        )
        self.lost = Counter(
            "nextclick_lost_records",
            "Offsets that left Kafka before they were folded; at most so many clicks are lost.",
            registry=registry,
        )
        self.rewinds = Counter(
            "nextclick_rewinds",
            "Partitions that were read from before the committed offset, by cause.",
            ["cause"],
            registry=registry,
        )
        self.watermark_age = Gauge(
            "nextclick_watermark_age_seconds",
            "Since Redis was last told up to where a partition of ours is folded.",
            ["partition"],
            registry=registry,
        )
        self.lists = Counter(
            "nextclick_recommendations", "Lists by what became of them.", ["outcome"], registry=registry
        )
        self.fallbacks = Counter("nextclick_fallbacks", "Lists that are a fallback.", ["reason"], registry=registry)
        self.batch = Histogram(
            "nextclick_fold_batch_events", "Events folded in one go.", buckets=_BATCH_BUCKETS, registry=registry
        )
        self.fold_seconds = Histogram(
            "nextclick_fold_seconds", "One batch into Redis.", buckets=_LATENCY_BUCKETS_S, registry=registry
        )
        self.rank_seconds = Histogram(
            "nextclick_rank_seconds", "One batch through the ranker.", buckets=_LATENCY_BUCKETS_S, registry=registry
        )
        self.latency_seconds = Histogram(
            "nextclick_click_to_recommendation_seconds",
            "From a click's record time to its list acknowledged by Kafka.",
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.pending = Gauge("nextclick_pending_sessions", "Sessions that wait for a list.", registry=registry)
        self.latest_first = Gauge(
            "nextclick_ranking_behind",
            "1 while ranking takes the latest first, since not everybody's turn would come within a second.",
            registry=registry,
        )
        self.model_trained = Gauge(
            "nextclick_model_trained_timestamp_seconds",
            "When the model in service was made, in seconds since the epoch.",
            registry=registry,
        )

        self.assigned = Gauge("nextclick_assigned_partitions", "Partitions that are ours.", registry=registry)
        self.lag = Gauge(
            "nextclick_lag_records", "Records in Kafka, not acknowledged.", ["partition"], registry=registry
        )
        self.behind = Gauge(
            "nextclick_lag_seconds", "Age of the oldest record not acknowledged.", ["partition"], registry=registry
        )
        self.acknowledged_age = Gauge(
            "nextclick_acknowledged_age_seconds",
            "Since the last acknowledgement, or since the assignment.",
            ["partition"],
            registry=registry,
        )
        self.loop_lag = Histogram(
            "nextclick_loop_lag_seconds",
            "How late the event loop comes to what is due.",
            buckets=_LOOP_BUCKETS_S,
            registry=registry,
        )
        self.loop_silent = Gauge(
            "nextclick_loop_silent_seconds", "How long the event loop has not come round, now.", registry=registry
        )
        self.degraded = Gauge(
            "nextclick_degraded", "1 for what the worker lacks at the moment.", ["service"], registry=registry
        )
        self.suspicious = Gauge(
            "nextclick_suspicious", "1 for what should not be, and which a person should look at.", ["what"],
            registry=registry,
        )  # fmt: skip
        self._partitions: set[str] = set()

    def events_so_far(self) -> tuple[float, float]:
        """All, and the stale ones among them."""
        samples = [sample for metric in self.events.collect() for sample in metric.samples]
        counts = [sample for sample in samples if sample.name.endswith("_total")]
        stale = [sample.value for sample in counts if sample.labels["outcome"] == "stale"]
        return sum(sample.value for sample in counts), sum(stale)

    def show_lanes(self, lanes: Sequence[Lane], now_ms: int) -> None:
        """Another worker tells of those that were ours and are no more."""
        shown = {str(lane.partition) for lane in lanes}
        for gone in self._partitions - shown:
            for gauge in (self.lag, self.behind, self.acknowledged_age):
                gauge.remove(gone)
        self._partitions = shown
        self.assigned.set(len(lanes))
        for lane in lanes:
            number = str(lane.partition)
            self.lag.labels(number).set(float("nan") if lane.lag is None else lane.lag)
            self.behind.labels(number).set(lane.behind_s)
            self.acknowledged_age.labels(number).set((now_ms - lane.moved_at) / 1000)

    def show_degraded(self, services: Collection[str], lacking: Collection[str]) -> None:
        for service in services:
            self.degraded.labels(service).set(service in lacking)
