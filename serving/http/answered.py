"""How many requests were answered and how long that took, as Prometheus reads it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

_BUCKETS_S: Final = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5, 30)
_BOUNDS: Final = (*map(str, map(float, _BUCKETS_S)), "+Inf")


class Answered(Collector):
    """Counts of our own: prometheus_client's counter and histogram take 5 us a request, which is a twentieth of it all.

    The event loop alone adds to them; whoever reads meanwhile may miss the latest.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._counts: dict[str, list[int]] = {}
        self._sums: defaultdict[str, float] = defaultdict(float)
        registry.register(self)

    def add(self, route: str, status: int, seconds: float) -> None:
        self._requests[route, status // 100] += 1
        counts = self._counts.get(route)
        if counts is None:
            counts = self._counts[route] = [0] * len(_BOUNDS)
        counts[bisect_left(_BUCKETS_S, seconds)] += 1
        self._sums[route] += seconds

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        requests = CounterMetricFamily(
            "nextclick_http_requests", "Requests by operation and class of status.", labels=["route", "status"]
        )
        for (route, kind), count in list(self._requests.items()):
            requests.add_metric([route, f"{kind}xx"], count)
        yield requests
        seconds = HistogramMetricFamily(
            "nextclick_http_seconds",
            "From a request read to its answer made; of a long poll, the waiting too.",
            labels=["route"],
        )
        for route, counts in list(self._counts.items()):
            buckets = [(bound, float(below)) for bound, below in zip(_BOUNDS, accumulate(counts), strict=True)]
            seconds.add_metric([route], buckets, self._sums[route])
        yield seconds
