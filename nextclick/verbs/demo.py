"""nextclick demo"""

from __future__ import annotations

import argparse
from pathlib import Path

from nextclick.verbs.declare import Verbs, positive, positive_real, verb
from schemas.settings import Settings


def declare(verbs: Verbs) -> None:
    demo = verb(
        verbs,
        "demo",
        "shoppers click, recommendations answer: everything, here and now",
        run=run,
        example="nextclick demo\nnextclick demo --once    # a few seconds, checked, with an exit code",
    )
    demo.add_argument("--once", action="store_true", help="a few seconds, then check what came, and end with 0 or 70")
    demo.add_argument("--seconds", type=positive, metavar="N", help="end after N seconds (default: at Ctrl-C)")
    demo.add_argument("--sessions", type=positive, metavar="N", default=12, help="shoppers at once (default: 12)")
    demo.add_argument("--rate", type=positive_real, metavar="N", default=20.0, help="clicks a second (default: 20)")
    demo.add_argument("--bundle", type=Path, metavar="DIR", help="a bundle other than the one that comes with the demo")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.demo import Plan, play

    plan = Plan(
        once=arguments.once,
        seconds=arguments.seconds,
        shoppers=arguments.sessions,
        rate=arguments.rate,
        bundle=arguments.bundle,
    )
    return play(settings, plan)
