"""How long clicks and lists are in each stage of their way, as Prometheus reads it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

#: queue    from the click's record time until the worker takes it up: in Kafka, and before the fold
#: fold     until Redis has the session that it changed
#: wait     until it is the session's turn to be ranked
#: rank     until its list is made
#: store    until Redis has the list
#: publish  until Kafka has it
#:
#: Of the first two there is one observation an event, of the others one a list: several clicks may share a list, and a
#: list may be made anew without a click. For a click that comes alone they add up to its way from end to end.
Stage = Literal["queue", "fold", "wait", "rank", "store", "publish"]

_BUCKETS_S: Final = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1, 2.5, 10, 60)
_BOUNDS: Final = (*map(str, map(float, _BUCKETS_S)), "+Inf")


class Stages(Collector):
    """Counts of our own. Six observations of prometheus_client's take 24 us on a busy core; these take 18 for an event
    that comes alone, 8 each for eight that come together, 5 for many.

    The event loop alone adds to them; whoever reads meanwhile may miss the latest.
    """

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        #: Seconds since the epoch, because a click's way begins with the time that its record bears.
        self.now: Final = clock
        self._counts: Final = {stage: [0] * len(_BOUNDS) for stage in get_args(Stage)}
        self._sums: Final = dict.fromkeys(self._counts, 0.0)
        registry.register(self)

    def ended(self, stage: Stage, begun_s: float, times: int = 1) -> float:
        """So many leave the stage now, which they entered then; returns when it is, since the next one begins."""
        now_s = self.now()
        self._add(stage, now_s - begun_s, times)
        return now_s

    def each_ended(self, stage: Stage, begun_s: Iterable[float]) -> None:
        """Each of these leaves the stage now, and had entered it at a time of its own."""
        now_s = self.now()
        for each_s in begun_s:
            self._add(stage, now_s - each_s, 1)

    def _add(self, stage: Stage, spent_s: float, times: int) -> None:
        """Where clocks differ, what came from the future has waited no time."""
        spent_s = spent_s if spent_s > 0 else 0.0
        self._counts[stage][bisect_left(_BUCKETS_S, spent_s)] += times
        self._sums[stage] += spent_s * times

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(
            "nextclick_stage_seconds", "How long clicks and lists are in each stage of their way.", labels=["stage"]
        )
        for stage, counts in self._counts.items():
            buckets = [(bound, float(below)) for bound, below in zip(_BOUNDS, accumulate(counts), strict=True)]
            family.add_metric([stage], buckets, self._sums[stage])
        yield family
