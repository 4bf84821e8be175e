"""Whether what is kept of a user across sessions makes lists better; docs/training.md says what came of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from nextclick.verbs.declare import moment
from serving.ranking.ranker import Ranker
from serving.state import bundles
from tests.quality.shops import VARIABLE, folder
from tests.quality.users import IN_FRONT, UNLIKE_OWN, Asked, Ways, asked, compared
from training import log

HISTORIES: Final = "histories learned"


@dataclass(frozen=True, slots=True)
class Users:
    """A log that says whose each session is."""

    log: str
    columns: Mapping[str, str]
    cut: str
    #: Where a session also ends; None where the log has sessions of its own.
    idle_s: int | None = None
    #: Large enough that its figures decide anything.
    decides: bool = True


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
        decides=False,
    ),
}


@pytest.mark.quality
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("shop", SHOPS)
def test_a_profile_makes_lists_better_where_histories_were_learned_from_and_not_where_sessions_were(
    shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given
    data, users = folder(), SHOPS[shop]
    if data is None:
        pytest.skip(f"{VARIABLE} does not name a folder with the logs")
    events = data / shop / users.log
    of_sessions = _trained(events, users, tmp_path / "sessions", whole=False)
    of_histories = _trained(events, users, tmp_path / "histories", whole=True)
    known = _known(events, users, of_sessions)

    # when
    ranks = Ways(of_sessions).ranks(known)
    for way, found in Ways(of_histories).continued(_known(events, users, of_histories)).items():
        ranks[f"{HISTORIES}: {way}"] = found

    # then
    lines = {line.way: line for line in compared(ranks, known)}
    short = [at for at, each in enumerate(known) if len(each.prefix) == 1]
    after_one = compared({way: found[short] for way, found in ranks.items()}, [known[at] for at in short])
    with capsys.disabled():
        print(f"\n{shop}, fast, {len(known)} predictions of users who were here before")
        print("HR@20, MRR@20, and how much more than of the session alone, learned from sessions")
        print(*lines.values(), f"after one click, {len(short)}", *after_one, sep="\n")
    if users.decides:
        best = lines[f"{HISTORIES}: {IN_FRONT}"]
        assert min(best.hit_rate_by[1], best.mrr_by[1]) > 0
        for way in lines.keys() - {best.way, UNLIKE_OWN}:
            line = lines[way]
            assert min(line.hit_rate_by[1], line.mrr_by[1]) <= 0, "as good as that, and needs no other training"


def _trained(events: Path, users: Users, bundle: Path, *, whole: bool) -> Ranker:
    """On sessions, or on each user's whole history as if it were one."""
    columns = {**users.columns, "session_id": users.columns["user_id"]} if whole else users.columns
    words = [word for name, column in columns.items() for word in ("--map", f"{name}={column}")]
    words += ["--until", users.cut, *(["--idle", str(users.idle_s)] if users.idle_s and not whole else [])]
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
    return bundles.load(bundle)


def _known(events: Path, users: Users, ranker: Ranker) -> list[Asked]:
    """What is asked of users who were here before."""
    idle_ms = None if users.idle_s is None else users.idle_s * 1_000
    every = asked(log.read([events], users.columns), moment(users.cut), idle_ms, ranker)
    return [each for each in every if each.actions]
