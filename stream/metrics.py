"""What the worker tells Prometheus. Labels come from small fixed sets, never from an event."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from schemas.errors import SettingsError

_LATENCY_BUCKETS_S: Final = (0.001, 0.002, 0.004, 0.006, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
_BATCH_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


class Metrics:
    """One registry a process, passed in, so that tests and several workers do not meet in a global."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.events = Counter(
            "nextclick_events", "Events by what the fold did with them.", ["outcome"], registry=registry
        )
        self.dead = Counter(
            "nextclick_dead_letters", "Records that no session could take.", ["reason"], registry=registry
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
        self.behind = Gauge(
            "nextclick_ranking_behind",
            "1 while ranking takes the latest first, since not everybody's turn would come within a second.",
            registry=registry,
        )
        self.bundle_swaps = Counter(
            "nextclick_bundle_swaps", "Bundles that took the place of another.", registry=registry
        )
        self.bundle_refused = Counter(
            "nextclick_bundle_refused",
            "Bundles that did not get to rank; the one in service stayed.",
            ["reason"],
            registry=registry,
        )
        self.model = Gauge("nextclick_model", "The model in service.", ["version"], registry=registry)

    def serve(self, host: str, port: int) -> None:
        try:
            start_http_server(port, addr=host, registry=self.registry)
        except OSError as error:
            raise SettingsError(
                f"NEXTCLICK_METRICS_HOST is {host!r} and NEXTCLICK_METRICS_PORT is {port}, and nothing can be served "
                f"there: {error}; allowed is an address of this host and a port that is free, another for each worker"
            ) from None
