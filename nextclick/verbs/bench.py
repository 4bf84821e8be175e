"""nextclick bench rank|worker|fresh|poll"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from nextclick.verbs.declare import Verbs, json_flag, positive, share, verb
from schemas.settings import Settings

#: What is made where no bundle is named: an ordinary shop and a large one, side by side.
_ITEMS: Final = (17_000, 1_000_000)
_LENGTH: Final = 10
_SESSIONS: Final = 20_000
_RATES: Final = (500, 1_000)
_SECONDS: Final = 20
_POLLS: Final = (2_500, 5_000)
_VISITORS: Final = 1_000
_PACKAGES: Final = ("numba", "onnxruntime", "numpy")


def declare(verbs: Verbs) -> None:
    bench = verb(verbs, "bench", "figures, measured on this machine", run=None, example="nextclick bench rank bundle")
    below: Verbs = bench.add_subparsers(title="verbs", metavar="VERB", dest="bench_verb", required=True)
    rank = verb(
        below,
        "rank",
        "measures what ranking a session costs on one thread, and where the time goes",
        run=_rank,
        example="nextclick bench rank bundle\nnextclick bench rank --items 200000 --json",
    )
    rank.add_argument(
        "bundle", nargs="?", type=Path, metavar="BUNDLE", help="default: made up, of 17,000 and of 1,000,000 items"
    )
    rank.add_argument("--items", type=positive, metavar="N", help="make one up of so many items instead")
    rank.add_argument(
        "--length", type=positive, default=_LENGTH, metavar="N", help=f"events of a session (default: {_LENGTH})"
    )
    rank.add_argument(
        "--hidden", type=share, default=0.0, metavar="SHARE", help="the share of the items that is not to be had (0)"
    )
    json_flag(rank)
    worker = verb(
        below,
        "worker",
        "measures how many events a second one worker folds and ranks, against the Kafka and Redis in the settings",
        run=_worker,
        example="nextclick bench worker bundle --sessions 5000",
    )
    _bundle_flag(worker)
    worker.add_argument(
        "--sessions", type=positive, default=_SESSIONS, metavar="N", help=f"shoppers (default: {_SESSIONS:,})"
    )
    json_flag(worker)
    fresh = verb(
        below,
        "fresh",
        "measures the time from a click to a subscriber's receipt of the list that knows it",
        run=_fresh,
        example="nextclick bench fresh bundle --rate 200 --rate 800 --seconds 30",
    )
    _bundle_flag(fresh)
    fresh.add_argument(
        "--rate", type=positive, action="append", metavar="N", help="clicks a second, once or more (default: 500, 1000)"
    )
    fresh.add_argument(
        "--seconds", type=positive, default=_SECONDS, metavar="N", help=f"of each rate (default: {_SECONDS})"
    )
    json_flag(fresh)
    poll = verb(
        below,
        "poll",
        "measures how fast the endpoint answers who polls a stored list, and how often it can",
        run=_poll,
        example="nextclick bench poll --rate 2500 --rate 5000 --processes 2",
    )
    _bundle_flag(poll)
    poll.add_argument(
        "--rate", type=positive, action="append", metavar="N", help="requests a second (default: 2500, 5000)"
    )
    poll.add_argument("--seconds", type=positive, default=_SECONDS, metavar="N", help=f"of each (default: {_SECONDS})")
    poll.add_argument("--sessions", type=positive, default=_VISITORS, metavar="N", help=f"(default: {_VISITORS:,})")
    poll.add_argument("--processes", type=positive, default=1, metavar="N", help="that share the port (default: 1)")
    json_flag(poll)


def _bundle_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", nargs="?", type=Path, metavar="BUNDLE", help="default: the one of the demo")


def _worker(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.bench import worker
    from nextclick.bench.trial import Trial
    from nextclick.terminal import say_json

    with Trial(_ranked_by(arguments, settings)) as trial:
        conditions = trial.conditions()
        found = worker.measure(trial, trial.clicks(arguments.sessions))
    if arguments.json:
        say_json({"conditions": conditions, **found.report()})
    else:
        print(conditions)
        print(found)
    return 0


def _fresh(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.bench import fresh
    from nextclick.bench.trial import Trial
    from nextclick.terminal import say_json

    rates = arguments.rate or _RATES
    with Trial(_ranked_by(arguments, settings)) as trial:
        conditions = trial.conditions()
        clicks = iter(trial.clicks(fresh.sessions(rates, arguments.seconds)))
        found = fresh.measure(trial, clicks, rates, arguments.seconds)
    if arguments.json:
        say_json({"conditions": conditions, "rates": [each.report() for each in found]})
    else:
        print(conditions)
        for line in (line for each in found for line in each.lines()):
            print(line)
    return 0


def _poll(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.bench import poll
    from nextclick.bench.trial import Trial
    from nextclick.endpoint import SERVE
    from nextclick.terminal import say_json

    chosen, key = poll.opened(_ranked_by(arguments, settings), arguments.processes)
    with Trial(chosen, SERVE) as trial:
        beside = f"{arguments.processes} processes of the endpoint, the crowd beside them"
        conditions = trial.conditions("uvloop", "httptools", "redis", beside=beside)
        found = poll.measure(trial, key, arguments.sessions, arguments.rate or _POLLS, arguments.seconds)
    if arguments.json:
        say_json({"conditions": conditions, **found.report()})
    else:
        print(conditions)
        for line in found.lines():
            print(line)
    return 0


def _ranked_by(arguments: argparse.Namespace, settings: Settings) -> Settings:
    from nextclick.sample import BUNDLE

    return replace(settings, bundle=str(arguments.bundle or BUNDLE))


def _rank(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.bench import conditions, rank
    from nextclick.terminal import say_json
    from serving.state import bundles

    with _places(arguments) as places:
        courses = [rank.Course.of(bundles.verify(place)[1], arguments.length, arguments.hidden) for place in places]
        for _ in range(rank.TURNS):
            for course in courses:
                course.turn()
    told = [course.report() for course in courses]
    ratios = rank.ratios(told[0], told[-1]) if len(told) > 1 else None
    if arguments.json:
        asked = {"threads": 1, "length": arguments.length, "hidden": arguments.hidden, "batch": rank.BATCH}
        say_json({"conditions": {**conditions.told(*_PACKAGES), **asked}, "bundles": told, "ratios": ratios})
    else:
        asked_of = f"one thread, sessions of {arguments.length} events, {arguments.hidden:.0%} of the items hidden"
        print(f"{conditions.line(*_PACKAGES)}; {asked_of}")
        for line in (*(line for report in told for line in _lines(report, rank.BATCH)), *_compared(ratios)):
            print(line)
    return 0


@contextmanager
def _places(arguments: argparse.Namespace) -> Iterator[list[Path]]:
    """The bundle that was named, or such as are made up for the occasion."""
    from nextclick.bench import shop
    from nextclick.terminal import say
    from schemas.errors import UsageError

    if arguments.bundle is not None:
        if arguments.items is not None:
            raise UsageError("--items makes a bundle up, and BUNDLE names one; give one of them")
        yield [arguments.bundle]
        return
    with tempfile.TemporaryDirectory(prefix="nextclick-bench-") as scratch:
        places = []
        for items in (arguments.items,) if arguments.items else _ITEMS:
            say(f"making up a bundle of {items:,} items")
            places.append(Path(scratch, str(items)))
            shop.publish(places[-1], items)
        yield places


def _lines(report: Mapping[str, Any], batch: int) -> Iterator[str]:
    yield f"{report['items']:,} items"
    for kind, costs in report["sessions"].items():
        alone, many = costs["alone"], costs["batch"]
        yield (
            f"  {kind:7} alone p50 {alone['p50_ms']:.3f} ms, p99 {alone['p99_ms']:.3f} ms; "
            f"in {batch} p50 {many['p50_ms']:.3f} ms, p99 {many['p99_ms']:.3f} ms a session, "
            f"{many['sessions_per_s']:,} sessions/s"
        )
    yield "  " + ", ".join(f"{stage} {spent:.0f}" for stage, spent in report["stages_us"].items()) + " us"


def _compared(ratios: Mapping[str, Mapping[str, float]] | None) -> Iterator[str]:
    for kind, ways in (ratios or {}).items():
        yield f"the larger against the smaller, {kind}: alone {ways['alone']:.2f}, in batches {ways['batch']:.2f} times"
