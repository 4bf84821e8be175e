"""nextclick stream"""

from __future__ import annotations

import argparse
from pathlib import Path

from nextclick.stops import Stopped
from nextclick.verbs.declare import Verbs, verb
from schemas.settings import Settings


def declare(verbs: Verbs) -> None:
    verb(
        verbs,
        "stream",
        "the worker: folds clicks into sessions, ranks them, publishes recommendations",
        run=run,
        example="NEXTCLICK_BUNDLE=/var/lib/nextclick/bundle nextclick stream",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.waiting import await_services
    from schemas.topics import specs
    from serving.state import bundles
    from stream import app

    # A bundle that is not there is known without waiting for anybody.
    bundles.read_manifest(Path(settings.bundle))
    try:
        await_services(settings, settings.start_wait_s, wanted=[spec.name for spec in specs(settings)], joins=True)
        return app.run(settings)
    except Stopped:
        return 0  # asked to end before it began; later the worker drains
