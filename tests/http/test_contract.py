"""The running endpoint does what openapi.json says: asked with all that this allows and with what it does not, each
operation for itself and in the sequences that it suggests."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from tests.kit import doors, lists
from tests.kit.endpoint import Endpoint
from tests.kit.shop import Shop

_RUN: Final = (sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run")
#: Longer than a poll may wait.
_ANSWER_S: Final = 40

#: Where the endpoint is of another mind than the schema, on purpose:
#: an address has a limit as a whole (414), an unknown placement is refused though any name could be one (400, and for
#: nothing else that is as it must be, but for 92.0, which a schema holds for an integer), and an event that is wrong is
#: told of in a 200, since those beside it are taken. A stream has no end to wait for: it is read up to its first list.
_CONFIG: Final = """
warnings = false
hooks = "lines.py"
max-stream-events = 1

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 414, 415, 431]

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 409, 414, 429]

[dictionaries.placements]
values = ["default", "nowhere"]

[parameters]
session_id = "{session_id}"
user_id = "{user_id}"
placement = {{ dictionary = "placements", probability = 0.9 }}
after = "{after}"

[[operations]]
include-path = "/v1/events"
checks = {{ negative_data_rejection = {{ enabled = false }} }}
"""

#: How it writes the bodies that are not of its kinds, and what a request that is as it must be is refused for.
_HOOKS: Final = """
import json
import schemathesis

@schemathesis.hook
def before_load_schema(context, raw_schema):
    # In Python `$` is not the end of a text that ends with a line break.
    def python(part):
        if isinstance(part, dict):
            if isinstance(part.get("pattern"), str):
                part["pattern"] += "(?!\\\\n)"
            part = list(part.values())
        for each in part if isinstance(part, list) else ():
            python(each)
    python(raw_schema)

@schemathesis.serializer("application/x-ndjson", "text/plain")
def lines(context, value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()

@schemathesis.check
def only_a_placement_may_be_unknown(context, response, case):
    if response.status_code == 400 and case.meta is not None and case.meta.generation.mode.is_positive:
        told = response.json()
        # JSON Schema takes 30.0 for a whole number, and we do not.
        assert told["field"] == "placement" or told["detail"] == "it must be a whole number", response.text
"""


def check(endpoint: Endpoint, installation: Shop, session_id: str, place: Path, *options: str) -> str:
    """What schemathesis says when it finds nothing; the test fails with what it finds."""
    after = lists.put(installation.settings, installation.epoch, [session_id])[session_id]
    config = _CONFIG.format(session_id=session_id, user_id="u-1", after=after)
    (place / "schemathesis.toml").write_text(config, encoding="utf-8")
    (place / "lines.py").write_text(_HOOKS, encoding="utf-8")
    proof = {"X-Api-Key": doors.KEY, "X-Session-Token": doors.token(session_id, "u-1", now=time.time())}
    told = [part for name, value in proof.items() for part in ("--header", f"{name}: {value}")]
    given = ["--no-color", *told]
    command = [*_RUN, f"{endpoint.url}/openapi.json", "--request-timeout", str(_ANSWER_S), *given, *options]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " on a defect" not in endpoint.said(), endpoint.said()
    return done.stdout


def requests(said: str) -> int:
    found = re.search(r"(\d+) generated", said)
    assert found is not None, said
    return int(found.group(1))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_answer_is_one_that_was_promised(installation: Shop, guarded: Endpoint, sid: str, tmp_path: Path) -> None:
    said = check(guarded, installation, sid, tmp_path, "--max-examples", "3", "--generation-deterministic")

    assert requests(said) > 300


@pytest.mark.chaos
@pytest.mark.timeout(1_800)
def test_every_answer_is_one_that_was_promised_for_long(
    installation: Shop, guarded: Endpoint, sid: str, tmp_path: Path
) -> None:
    said = check(guarded, installation, sid, tmp_path, "--max-examples", "200")

    print(said)
    assert requests(said) > 2_000
