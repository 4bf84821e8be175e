"""What polling stored lists costs: the endpoint in processes of its own, every check of its guard on.

Latency by a crowd that asks at a fixed rate, from when each request was due; the most there can be a second
by wrk, where it is installed, beside the same server answering a constant.
"""

from __future__ import annotations

import http.client
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from nextclick.answers import percentile
from nextclick.bench import visitors, wrk
from nextclick.bench.crowd import Crowd, Polled
from nextclick.bench.trial import Trial
from nextclick.bench.visitors import Visitor
from nextclick.bench.wrk import Peak
from nextclick.endpoint import asked
from nextclick.servers import LOOPBACK, free_port
from schemas.errors import NextclickError
from schemas.setting import Secret
from schemas.settings import Settings
from serving.http import keys, tokens

#: High enough that nobody meets them, and counted all the same.
_UNLIMITED: Final = "99999/99999"
_READY_S: Final = 90.0
_WARMING_S: Final = 3.0
_LINES: Final = 48
#: From one visitor to the next, so that neighbours do not come together.
_STRIDE: Final = 7
_SHARES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Found:
    polled: Sequence[Polled]
    peak: Peak | None
    #: Of the same server, by as many processes, that answers as many bytes without looking at anything.
    constant: Peak | None

    def report(self) -> dict[str, Any]:
        rates = [
            {
                "rate": each.rate,
                "requests": len(each.each_ms),
                **{f"{name}_ms": round(percentile(each.each_ms, share), 2) for name, share in _SHARES.items()},
                "statuses": {str(status): count for status, count in sorted(each.statuses.items())},
            }
            for each in self.polled
        ]
        peaks = {"peak": self.peak, "constant": self.constant}
        return {
            "rates": rates,
            **{name: {"per_s": each.per_s, "failed": each.failed} for name, each in peaks.items() if each is not None},
        }

    def lines(self) -> Iterator[str]:
        for each in self.polled:
            told = ", ".join(f"{name} {percentile(each.each_ms, share):.2f} ms" for name, share in _SHARES.items())
            statuses = ", ".join(f"{count:,} x {status}" for status, count in sorted(each.statuses.items()))
            yield f"{each.rate:,} requests/s: {told}; {statuses}"
        if self.peak and self.constant:
            share = self.peak.per_s / self.constant.per_s
            yield f"at most {self.peak.per_s:,.0f} requests/s, {self.peak.failed} failed"
            yield f"a constant {self.constant.per_s:,.0f} requests/s: {share:.0%} of it are reached"
        else:
            yield "wrk is not installed, so the most there can be is not measured"


def opened(settings: Settings, processes: int) -> tuple[Settings, str]:
    """The endpoint's settings, security on and limits out of reach; and the key that its visitors show."""
    key = keys.made(secrets.token_bytes(keys.RANDOM_BYTES))
    signing = f"bench:{tokens.made_secret(secrets.token_bytes(tokens.RANDOM_BYTES))}"
    made = replace(
        settings,
        security="on",
        site_keys=keys.entry("bench", key),
        token_secrets=Secret(signing),
        key_limit=_UNLIMITED,
        session_limit=_UNLIMITED,
        address_limit=_UNLIMITED,
        serve_host=LOOPBACK,
        serve_port=free_port(),
        serve_processes=processes,
        drain_s=0,
    )
    return made, key


def measure(trial: Trial, key: str, sessions: int, rates: Sequence[int], seconds: int) -> Found:
    found = visitors.visitors(trial, key, sessions)
    trial.begin()
    _await_ready(trial)
    size = _learn(found, trial.settings.serve_port)
    requests = [visitor.request() for visitor in found]
    crowd = Crowd(
        LOOPBACK, trial.settings.serve_port, _LINES, lambda number: requests[number * _STRIDE % len(requests)]
    )
    crowd.play(rates[:1], _WARMING_S)
    polled = crowd.play(rates, seconds)
    if not wrk.is_there():
        return Found(polled, None, None)
    reached = wrk.peak(f"http://{LOOPBACK}:{trial.settings.serve_port}", found)
    port = free_port()
    for number in range(trial.settings.serve_processes):
        trial.beside(f"constant{number}", ("nextclick.bench.constant", LOOPBACK, str(port), str(size)))
    time.sleep(_WARMING_S)
    return Found(polled, reached, wrk.peak(f"http://{LOOPBACK}:{port}/"))


def _await_ready(trial: Trial) -> None:
    until = time.monotonic() + _READY_S
    for number in range(trial.settings.serve_processes):
        while asked(trial.settings.metrics_port + number, "/ready")[0] != http.client.OK:
            trial.check()
            if time.monotonic() > until:
                raise NextclickError(f"the endpoint was not ready within {_READY_S:g} s; `nextclick doctor` says more")
            time.sleep(0.1)


def _learn(found: Sequence[Visitor], port: int) -> int:
    """Every second visitor has its list already, and polls to hear that it is the newest. The size of a list."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    size = 0
    for number, visitor in enumerate(found):
        connection.request("GET", visitor.path, headers=visitor.headers)
        answer = connection.getresponse()
        body = answer.read()
        size = max(size, len(body))
        if answer.status != http.client.OK or "Nextclick-Fallback" in answer.headers:
            raise NextclickError(f"a stored list was answered with {answer.status}, {body[:200]!r}")
        if number % 2:
            visitor.etag = answer.headers["ETag"]
    connection.close()
    return size
