"""nextclick topics create"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Final

from nextclick.verbs.declare import Verbs, json_flag, verb
from schemas.settings import Settings

_TIMEOUT_S: Final = 15.0


def declare(verbs: Verbs) -> None:
    example = "NEXTCLICK_KAFKA=localhost:9092 nextclick topics create"
    topics = verb(verbs, "topics", "the Kafka topics", run=None, example=example)
    below: Verbs = topics.add_subparsers(title="verbs", metavar="VERB", dest="topics_verb", required=True)
    create = verb(below, "create", "declares the topics with their settings", run=run, example=example)
    json_flag(create)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.terminal import say_json
    from nextclick.waiting import await_services
    from serving.state import topics

    await_services(settings, settings.start_wait_s, wanted=[], redis=False)
    declared = topics.create(settings, _TIMEOUT_S)
    if arguments.json:
        say_json([asdict(topic) for topic in declared])
        return 0
    for topic in declared:
        print(f"{topic.name}: {'created' if topic.created else 'was there already'}")
        for difference in topic.differences:
            print(f"    differs: {difference}; change it with your Kafka's own tools, or leave it if it is meant")
    return 0
