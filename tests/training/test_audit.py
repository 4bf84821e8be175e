"""What is said of a log before anything is trained."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import DataError
from tests.kit.command import nextclick
from training import bots, log, past, spool
from training.audit import Audit, Lengths, Unknown, audit
from training.choice import Choice

MS = 1_700_000_000_123
HEAD = "session_id,item_id,ts,type,event_id,consent\n"


def written(path: Path, rows: Sequence[tuple[object, ...]]) -> Path:
    path.write_text(HEAD + "".join(",".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return path


def test_everything_is_counted(tmp_path: Path) -> None:
    # given
    rows = [
        ("s1", "a", MS, "view", "e1", ""),
        ("s1", "b", MS + 9_000, "cart", "e2", ""),
        ("s1", "b", MS + 9_000, "cart", "e3", ""),  # the same deed again
        ("s1", "c", MS + 8_000, "purchase", "e1", ""),  # an id again, and later than what it stands behind
        ("s2", "z", MS + 20_000, "view", "e1", ""),  # another session may use it
        ("s3", "a", MS + 30_000, "view", "", "false"),
        ("s3", "a", MS + 31_000, "view", "", ""),
        ("s4", "a", MS + 40_000, "remove", "", ""),
        ("s5", "", MS, "view", "", ""),
        *(("bot", "a", MS + 50_000 + 500 * at, "view", "", "") for at in range(bots.VIEWS_MIN)),
    ]

    # when
    found = audit(log.read([written(tmp_path / "log.csv", rows)]), {"a", "b", "unsold"})

    # then
    assert found.rows == len(rows)
    assert found.events == {"view": 4 + bots.VIEWS_MIN, "cart": 2, "purchase": 1, "remove": 1}
    assert found.faults == {"item_id": 1}
    assert (found.first_ts, found.last_ts) == (MS, MS + 50_000 + 500 * (bots.VIEWS_MIN - 1))
    assert found.lengths == Lengths({"p50": 4, "p90": 30, "p99": 30, "max": 30}, 0.3333)
    assert (found.sessions, found.items) == (3, 4)
    assert found.duplicates == {"event_id": 1, "row": 1}
    assert (found.disorder, found.bots, found.without_consent) == (1, 1, 1)
    assert found.unknown == Unknown(events=2, items=2)
    assert found.trained == {"events": 5, "sessions": 2, "items": 4}
    assert [sentence.rpartition(": ")[2] for sentence in found.left_out] == ["1", "1", "1", "1"]
    assert found.refused is None


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("s", "a", MS, "impression", "", "")], "no event is left"),
        ([("s", "a", MS, "view", "", "false"), ("s", "b", MS, "view", "", "")], "no event is left"),
        ([("s", "a", MS, "view", "", ""), ("s", "a", MS + 1, "view", "", "")], "a single item"),
        ([("s", "a", MS, "view", "", ""), ("t", "b", MS + 1, "view", "", "")], "no session has two events"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_sentence_after_all_that_was_found(
    tmp_path: Path, rows: Sequence[tuple[object, ...]], says: str
) -> None:
    path = written(tmp_path / "log.csv", rows)
    done = nextclick("validate", path, "--json")
    assert done.returncode == 65
    assert json.loads(done.stdout)["rows"] == len(rows)
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_a_session_of_two_events_is_enough(tmp_path: Path) -> None:
    rows = [("s", "a", MS, "view", "", ""), ("s", "b", MS + 1, "view", "", "")]
    done = nextclick("validate", written(tmp_path / "log.csv", rows))
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 events of 1 sessions, 2 items" in done.stdout


def test_what_a_catalogue_lacks_and_what_is_wrong_with_it_is_told(tmp_path: Path) -> None:
    # given
    rows = [("s", item, MS + at, "view", "", "") for at, item in enumerate("abcab")]
    catalogue = tmp_path / "items.csv"
    catalogue.write_text("item_id,price\na,NaN\nb,1.50\n,2\nunsold,3\n", encoding="utf-8")

    # when
    done = nextclick("validate", written(tmp_path / "log.csv", rows), "--catalog", catalogue, "--json")

    # then
    told = json.loads(done.stdout)
    assert told["unknown"] == {"events": 1, "items": 1}
    assert told["catalogue"] == {"items": 3, "faults": {"item_id": 1, "price": 1}}


@pytest.mark.parametrize("data", [b"", HEAD.encode(), b"\x00\xff" * 500, b"a,b\n1,2\n"])
def test_a_log_without_an_event_ends_with_65_and_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "log.csv").write_bytes(data)
    done = nextclick("validate", tmp_path / "log.csv")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (65, "", 1)


def test_a_log_without_a_clock_has_no_copies_and_no_quick_visitors(tmp_path: Path) -> None:
    # given
    path = tmp_path / "log.txt"
    path.write_text("x " * (bots.VIEWS_MIN * 2) + "y\n", encoding="utf-8")

    # when
    done = nextclick("validate", path, "--format", "sessions", "--json")

    # then
    told = json.loads(done.stdout)
    assert (told["bots"], told["duplicates"]) == (0, {"event_id": 0, "row": 0})


_rows = st.lists(
    st.tuples(
        st.sampled_from("stuv"),
        st.sampled_from(["a", "b", "c", ""]),
        st.integers(MS, MS + 5),
        st.sampled_from(["view", "cart", "remove"]),
        st.sampled_from(["", "e1", "e2"]),
        st.sampled_from(["", "", "", "false"]),
    ),
    max_size=40,
)


def counted_by_row(rows: Sequence[tuple[object, ...]]) -> tuple[dict[str, int], int]:
    """Duplicates by event id and by deed, and rows behind a later one, as a person would look for them."""
    named = Counter((session, event_id) for session, _, _, _, event_id, _ in rows if event_id)
    deeds = Counter((session, item, ts, kind) for session, item, ts, kind, _, _ in rows)
    times: dict[object, list[object]] = {}
    for session, _, ts, *_ in rows:
        times.setdefault(session, []).append(ts)
    disorder = sum(str(after) < str(before) for each in times.values() for before, after in pairwise(each))
    return {"event_id": named.total() - len(named), "row": deeds.total() - len(deeds)}, disorder


@given(_rows, st.sampled_from([Choice(), Choice(since_ms=MS + 2), Choice(until_ms=MS + 3, dedupe=True, idle_ms=1)]))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_audited_is_what_is_gathered_and_from_files_as_from_memory(
    tmp_path: Path, rows: Sequence[tuple[object, ...]], choice: Choice
) -> None:
    # given
    found = log.read([written(tmp_path / "log.csv", rows)], choice=choice)

    def audited() -> Audit | str:
        try:
            return audit(found, {"a"})
        except DataError as error:
            return error.reason

    # when
    told = audited()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "_HELD_MAX", 5)
        spooled = audited()

    # then
    assert told == spooled
    if isinstance(told, Audit):
        assert (told.duplicates, told.disorder) == counted_by_row([row for row in rows if row[1]])
    try:
        sessions = past.gather(found, {}).past.sessions
    except DataError:
        assert isinstance(told, str) or told.refused
        return
    assert isinstance(told, Audit)
    assert told.trained == {
        "events": len(sessions.items),
        "sessions": len(sessions),
        "items": len(set(sessions.items.tolist())),
    }
