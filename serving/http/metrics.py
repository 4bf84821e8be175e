"""What an endpoint process tells Prometheus. Labels come from small fixed sets, never from a client."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.http.answered import Answered, Tally
from serving.ranking.ranker import LESSER
from serving.state.inventory import Inventory

_LATENCY_BUCKETS_S: Final = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5, 30)


class Metrics(Inventory):
    """One registry a process, passed in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.registry = registry
        self.answered = Answered(registry)
        self.redis_seconds = Histogram(
            "nextclick_http_redis_seconds", "A read of Redis, as a request waits for it.",
            buckets=_LATENCY_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self.redis_failed = Counter(
            "nextclick_http_redis_failures", "Reads of Redis that gave nothing in time.", registry=registry
        )
        self.circuit = Gauge(
            "nextclick_http_redis_circuit", "Redis is asked by all (0), by one in a while (1), by nobody (2).",
            registry=registry,
        )  # fmt: skip
        self.lists = Tally(
            registry,
            "nextclick_http_lists",
            "Lists answered by where they came from: cached here, read from Redis, ranked on demand, or a fallback.",
            "source",
        )
        self._fallbacks = Counter(
            "nextclick_http_fallbacks", "Answers that lack a service, or a list of the session's own, and which.",
            ["reason"], registry=registry,
        )  # fmt: skip
        self.unchanged = Counter(
            "nextclick_http_not_modified", "Polls answered with 304: the client has it already.", registry=registry
        )
        self.own_click_seconds = Histogram(
            "nextclick_http_own_click_seconds", "From a poll that names a click to a list that knows it.",
            buckets=_LATENCY_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self.behind = Counter(
            "nextclick_http_behind", "Waits for a list that knows a click which ended without it.", registry=registry
        )
        self.limited_by = Counter(
            "nextclick_http_rate_limited", "Requests refused for their number, by whose limit.", ["whose"],
            registry=registry,
        )  # fmt: skip
        self.limits_local = Counter(
            "nextclick_http_limits_local", "Requests counted by this process alone, since Redis did not answer.",
            registry=registry,
        )  # fmt: skip
        self.streams = Gauge("nextclick_http_open_streams", "Clients that are told of new lists.", registry=registry)
        self.waiting = Gauge("nextclick_http_long_polls", "Requests that wait for a list.", registry=registry)
        self.connections = Gauge("nextclick_http_connections", "Open connections.", registry=registry)
        self.events = Counter(
            "nextclick_http_events", "Events taken in or refused, and why.", ["outcome"], registry=registry
        )
        self.degraded = Gauge(
            "nextclick_http_degraded", "1 for what this process does without at the moment.", ["service"],
            registry=registry,
        )  # fmt: skip

    def fell_back(self, why: str | None) -> None:
        """Also where the client has that answer already. What the ranker says of a session is no service missing."""
        if why is not None and why not in LESSER:
            self._fallbacks.labels(why).inc()

    def limited(self, by: str) -> None:
        self.limited_by.labels(by).inc()

    def counted_here(self) -> None:
        self.limits_local.inc()
