"""How long each of many clicks took to be answered, and how that is told. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, isinf
from typing import Any, Final

from nextclick.answers import percentile

_SHARES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
#: Upper ends of the bars of a histogram.
_ENDS_MS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 15, 25, 50, 100, 250, 1_000, inf)
_BAR_WIDTH: Final = 50


@dataclass(frozen=True, slots=True)
class Latencies:
    #: Clicks that were due a second.
    rate: int
    #: Of every click; infinite where no list came.
    each_ms: Sequence[float]

    @property
    def unanswered(self) -> int:
        return sum(map(isinf, self.each_ms))

    @property
    def shares_ms(self) -> dict[str, float]:
        return {name: percentile(self.each_ms, share) for name, share in _SHARES.items()}

    @property
    def bars(self) -> Iterator[tuple[float, int]]:
        """How many took at most so long, and longer than the bar before."""
        below = -inf
        for end in _ENDS_MS:
            yield end, sum(below < latency <= end for latency in self.each_ms)
            below = end

    def report(self) -> dict[str, Any]:
        """JSON knows no infinity: what was never answered is null there."""
        shares = {f"{name}_ms": None if isinf(ms) else round(ms, 2) for name, ms in self.shares_ms.items()}
        bars = [{"to_ms": None if isinf(end) else end, "clicks": count} for end, count in self.bars]
        return {
            "rate": self.rate,
            "clicks": len(self.each_ms),
            "unanswered": self.unanswered,
            **shares,
            "histogram": bars,
        }

    def lines(self) -> Iterator[str]:
        told = ", ".join(f"{name} {ms:.1f} ms" for name, ms in self.shares_ms.items())
        yield f"{self.rate:,} clicks/s: {told}; {self.unanswered:,} of {len(self.each_ms):,} unanswered"
        for end, count in self.bars:
            label = "longer" if isinf(end) else f"to {end:,g} ms"
            yield f"{label:>12} {count:7,} {'#' * round(_BAR_WIDTH * count / len(self.each_ms))}".rstrip()
