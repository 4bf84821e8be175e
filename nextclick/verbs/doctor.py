"""nextclick doctor"""

from __future__ import annotations

import argparse

from nextclick.verbs.declare import Verbs, json_flag, verb
from schemas.settings import Settings


def declare(verbs: Verbs) -> None:
    doctor = verb(
        verbs,
        "doctor",
        "reaches Kafka, Redis, topics and bundle, and says for each what is wrong and what to do",
        run=run,
        example="nextclick doctor\nnextclick doctor --json | jq .healthy",
    )
    json_flag(doctor)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick import doctor
    from nextclick.terminal import console, say_json

    checks = doctor.examine(settings)
    if arguments.json:
        say_json(doctor.report(checks))
    else:
        console().print(doctor.table(checks))
    return doctor.exit_code(checks)
