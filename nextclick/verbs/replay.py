"""nextclick replay"""

from __future__ import annotations

import argparse

from nextclick.verbs.declare import Verbs, json_flag, log_flags, log_of, positive, positive_real, told_of_log, verb
from schemas.settings import Settings


def declare(verbs: Verbs) -> None:
    replay = verb(
        verbs,
        "replay",
        "plays an event log into the clickstream, as if it happened now",
        run=run,
        example="nextclick replay clicks.csv.gz --rate 500\nnextclick replay clicks.ndjson --speed 60 --limit 10000",
    )
    log_flags(replay)
    pace = replay.add_mutually_exclusive_group()
    pace.add_argument("--rate", type=positive_real, metavar="N", help="N events a second, whatever the log's times")
    pace.add_argument("--speed", type=positive_real, metavar="X", default=1.0, help="X times the log's own speed (1)")
    replay.add_argument("--limit", type=positive, metavar="N", help="the first N events only")
    replay.add_argument(
        "--keep-time", action="store_true", help="send the log's own times instead of shifting them to now"
    )
    json_flag(replay)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.replay import replay
    from nextclick.schedule import Pace
    from nextclick.terminal import say_json
    from nextclick.waiting import await_services
    from schemas.topics import Topics

    clicks = log_of(arguments)
    await_services(
        settings, settings.start_wait_s, wanted=[Topics.named(settings.topic_prefix).clickstream], redis=False
    )
    pace = Pace(rate=arguments.rate, speed=arguments.speed, keep_time=arguments.keep_time)
    played = replay(settings, clicks, pace, arguments.limit)
    told_of_log(clicks)
    if arguments.json:
        say_json(played.report())
    else:
        print(played)
    return 0
