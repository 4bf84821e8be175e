"""Whether what is kept of a user across sessions makes lists better; docs/training.md says what came of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from nextclick.verbs.declare import moment
from serving.state import bundles
from tests.quality.shops import VARIABLE, folder
from tests.quality.users import SESSION_ALONE, UNLIKE_OWN, Asked, Ways, asked, compared
from training import log


@dataclass(frozen=True, slots=True)
class Users:
    """A log that says whose each session is."""

    log: str
    columns: Mapping[str, str]
    cut: str
    #: Where a session also ends; None where the log has sessions of its own.
    idle_s: int | None = None


SHOPS = {
    "amazon-beauty-s3rec": Users(
        "interactions.csv.xz",
        {"session_id": "user", "user_id": "user", "item_id": "item", "ts": "timestamp"},
        "2014-04-01T00:00:00Z",
        idle_s=1,
    ),
    "rees46-sample-5k": Users(
        "events.csv.xz",
        {
            "session_id": "user_session",
            "user_id": "user_id",
            "item_id": "product_id",
            "ts": "event_time",
            "type": "event_type",
        },
        "2019-10-01T02:20:00Z",
    ),
}


@pytest.mark.quality
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("shop", SHOPS)
def test_no_way_to_rank_by_a_profile_is_clearly_better_than_the_session_alone(
    shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Should this fail, ranking should be given profiles; until then they are shown, and nothing else."""
    # given
    data, users = folder(), SHOPS[shop]
    if data is None:
        pytest.skip(f"{VARIABLE} does not name a folder with the logs")
    events, bundle = data / shop / users.log, tmp_path / "bundle"
    _train(events, users, bundle)
    ranker = bundles.load(bundle)
    idle_ms = None if users.idle_s is None else users.idle_s * 1_000
    every = asked(log.read([events], users.columns), moment(users.cut), idle_ms, ranker)
    known = [each for each in every if each.actions]

    # when
    ranks = Ways(ranker).ranks(known)

    # then
    groups = {
        "all": range(len(known)),
        "after one click": _numbers(known, short=True),
        "after more": _numbers(known, short=False),
    }
    with capsys.disabled():
        print(f"\n{shop}, fast: {len(every)} predictions, {len(known)} of users who were here before")
        for group, numbers in groups.items():
            print(f"  {group}, {len(numbers)}: HR@20, MRR@20, and how much more than the session alone has")
            lines = compared({way: found[list(numbers)] for way, found in ranks.items()}, [known[at] for at in numbers])
            print(*(f"    {line}" for line in lines), sep="\n")
    for line in compared(ranks, known):
        clearly = line.hit_rate_by[1] > 0 and line.mrr_by[1] > 0
        assert not clearly or line.way in (SESSION_ALONE, UNLIKE_OWN), line


def _train(events: Path, users: Users, bundle: Path) -> None:
    words = [word for name, column in users.columns.items() for word in ("--map", f"{name}={column}")]
    words += ["--until", users.cut, *(["--idle", str(users.idle_s)] if users.idle_s else [])]
    command = [
        sys.executable,
        "-m",
        "nextclick",
        "train",
        str(events),
        *words,
        "--out",
        str(bundle),
        "--preset",
        "fast",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _numbers(known: list[Asked], *, short: bool) -> list[int]:
    return [at for at, each in enumerate(known) if (len(each.prefix) == 1) is short]
