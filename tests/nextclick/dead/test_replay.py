"""Laws of `nextclick dead replay`, between a real Kafka and a real Redis, mostly with a real worker behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nextclick.dead.choice import Choice
from nextclick.dead.ledger import Ledger
from nextclick.dead.letterbox import Letterbox
from nextclick.dead.replay import Replay, sender
from nextclick.dead.watch import Watch
from nextclick.producer import ClickProducer
from schemas import facts, keys
from schemas.click import Click, encode
from schemas.errors import KafkaError, RedisError
from schemas.letter import Source
from schemas.session import LATE_MS
from schemas.wire import EpochMs
from serving.state.pipeline import Call
from stream.intake import Letter
from tests.kit import topic
from tests.kit.command import nextclick
from tests.kit.letters import bury, letter
from tests.kit.shop import Shop
from tests.kit.worker import Worker, environment

pytestmark = pytest.mark.kafka

_WAIT = ("--wait", "60")


def replay(shop: Shop, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    done = nextclick("dead", "replay", "--json", *arguments, environment=environment(shop.settings))
    assert done.returncode == code, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def working(shop: Shop) -> Worker:
    worker = shop.worker()
    worker.await_assigned()
    return worker


def counts(report: dict[str, Any]) -> dict[str, int]:
    """What is not nought of it."""
    return {name: count for name, count in report.items() if type(count) is int and count}


def refused(clicks: Sequence[Click]) -> list[Letter]:
    """Letters for clicks that are good: an older release may not have known what they are."""
    return [letter(at, encode(click), click.session_id.encode()) for at, click in enumerate(clicks)]


def on_topic(shop: Shop) -> list[topic.Raw]:
    return topic.read_all(shop.settings.kafka, shop.names.clickstream)


def committed(shop: Shop) -> int:
    with Letterbox(shop.settings) as box:
        return box.marks()[0]


def test_what_a_worker_could_not_take_is_mended_and_folded(shop: Shop, tmp_path: Path) -> None:
    # given clicks of which every second one has a type that no event has
    worker = working(shop)
    clicks = shop.clicks(6, sessions=2)
    records = [(click.session_id.encode(), encode(click), [("trace", b"t")]) for click in clicks]
    records[1::2] = [(key, value.replace(b'"view"', b'"vue"'), headers) for key, value, headers in records[1::2]]
    topic.produce(shop.settings.kafka, shop.names.clickstream, records)
    topic.eventually(lambda: len(shop.letters()) == 3, "the bad ones are dead letters")

    # when they are written out, mended, and sent back
    listed = nextclick("dead", "list", "--reason", "invalid", "--lines", environment=environment(shop.settings))
    file = tmp_path / "letters.ndjson"
    file.write_text(listed.stdout.replace('"vue"', '"view"'))
    report = replay(shop, "--mended", file, *_WAIT)

    # then
    assert counts(report) == {"letters": 3, "sent": 3, "folded": 3}
    assert shop.folded(clicks) == 6
    assert shop.sessions_that_differ() == []
    back = on_topic(shop)
    assert {raw.value for raw in back} >= {encode(click) for click in clicks}
    assert all(raw.headers == (("trace", b"t"),) for raw in back)
    assert worker.stop() == 0


def test_one_letter_is_mended_by_editing_its_bytes(shop: Shop, tmp_path: Path) -> None:
    (click,) = shop.clicks(1, sessions=1)
    bury(shop, [letter(4, encode(click)[:-1], key=b"nobody")])
    variables = environment(shop.settings)

    raw = nextclick("dead", "show", "3:4", "--raw", environment=variables)
    file = tmp_path / "click.json"
    file.write_text(raw.stdout + "}")
    report = replay(shop, "3:4", "--mended", file, "--wait", "0")

    assert counts(report) == {"letters": 1, "sent": 1, "not_yet_folded": 1}
    (back,) = on_topic(shop)
    assert (back.key, back.value) == (click.session_id.encode(), encode(click))


def test_a_letter_is_sent_back_once_unless_it_is_asked_for_again(shop: Shop) -> None:
    worker = working(shop)
    clicks = shop.clicks(4, sessions=2)
    bury(shop, refused(clicks))

    assert counts(replay(shop, *_WAIT)) == {"letters": 4, "sent": 4, "folded": 4}
    assert counts(replay(shop)) == {"letters": 4, "replayed_before": 4}
    assert counts(replay(shop, "3:0")) == {"letters": 1, "replayed_before": 1}
    assert len(on_topic(shop)) == 4
    assert counts(replay(shop, "--again", *_WAIT)) == {"letters": 4, "sent": 4, "duplicate": 4}
    assert counts(replay(shop, "--again", "3:1", *_WAIT)) == {"letters": 1, "sent": 1, "duplicate": 1}

    assert shop.folded(clicks) == 4
    assert shop.sessions_that_differ() == []
    assert worker.stop() == 0


def test_a_letter_written_twice_after_a_crash_is_one(shop: Shop) -> None:
    letters = refused(shop.clicks(2, sessions=1))
    bury(shop, [*letters, *letters])

    assert counts(replay(shop, "--wait", "0")) == {"letters": 2, "sent": 2, "not_yet_folded": 2}
    assert counts(replay(shop, "--again", "--wait", "0")) == {"letters": 2, "sent": 2, "not_yet_folded": 2}

    assert len(on_topic(shop)) == 4
    assert committed(shop) == 4


class ForgetfulLedger(Ledger):
    """Redis goes away between Kafka's word and ours."""

    def remember(self, sources: Iterable[Source]) -> None:
        raise RedisError("gone")


class StuckLetterbox(Letterbox):
    """Kafka goes away between the key and the commit."""

    def commit(self, marks: object) -> None:
        raise KafkaError("gone")


def test_a_crash_after_the_events_are_sent_has_them_sent_again_and_folded_once(shop: Shop) -> None:
    # given
    worker = working(shop)
    clicks = shop.clicks(4, sessions=2)
    bury(shop, refused(clicks))
    with (
        Letterbox(shop.settings) as box,
        ForgetfulLedger(shop.settings) as ledger,
        ClickProducer(shop.settings, shop.names.clickstream) as producer,
        pytest.raises(RedisError),
    ):
        Replay(box, ledger, Choice(), {}).run(sender(producer, shop.epoch), Watch(ledger, 0))
    topic.eventually(lambda: shop.folded(clicks) == 4, "what was sent before the crash is folded")
    assert committed(shop) == 0

    # when
    report = replay(shop, *_WAIT)

    # then
    assert counts(report) == {"letters": 4, "sent": 4, "duplicate": 4}
    assert len(on_topic(shop)) == 8
    assert shop.folded(clicks) == 4
    assert shop.sessions_that_differ() == []
    assert worker.stop() == 0


def test_a_crash_before_the_commit_has_nothing_sent_again(shop: Shop) -> None:
    bury(shop, refused(shop.clicks(3, sessions=1)))
    with (
        StuckLetterbox(shop.settings) as box,
        Ledger(shop.settings) as ledger,
        ClickProducer(shop.settings, shop.names.clickstream) as producer,
        pytest.raises(KafkaError),
    ):
        Replay(box, ledger, Choice(), {}).run(sender(producer, shop.epoch), Watch(ledger, 0))

    assert counts(replay(shop)) == {"letters": 3, "replayed_before": 3}
    assert len(on_topic(shop)) == 3
    assert committed(shop) == 3


def test_what_lies_below_the_commit_is_not_sent_again_when_redis_has_forgotten_it(shop: Shop) -> None:
    bury(shop, refused(shop.clicks(3, sessions=1)))
    replay(shop, "--wait", "0")
    shop.ask([Call(("DEL", keys.replayed(shop.names.clickstream, 3, at))) for at in range(3)])

    assert counts(replay(shop)) == {"letters": 3, "replayed_before": 3}


def test_what_would_be_refused_again_stays_and_the_commit_stays_below_it(shop: Shop, tmp_path: Path) -> None:
    # given a good letter, two bad ones and one that is not whole, between good ones
    first, second, third = shop.clicks(3, sessions=1)
    name = first.session_id.encode()
    bad = [letter(1, b"{", name), letter(2, encode(second), b"other"), letter(3, b"x" * 2**20, name)]
    bury(shop, [*refused([first]), *bad, letter(4, encode(third), name)])

    # when
    report = replay(shop, "--wait", "0")

    # then
    assert counts(report) == {"letters": 5, "sent": 2, "cut": 1, "not_yet_folded": 2}
    assert {reason: (bad["letters"], bad["example"]) for reason, bad in report["still_bad"].items()} == {
        "not_json": (1, "3:1"),
        "key": (1, "3:2"),
    }
    assert [raw.value for raw in on_topic(shop)] == [encode(first), encode(third)]
    assert committed(shop) == 1

    # and when they are mended, the others are left as they are
    lines = [{"letter": f"3:{at}", "value": msgspec.Raw(encode(second))} for at in (1, 2, 3)]
    file = tmp_path / "mended.ndjson"
    file.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    assert counts(replay(shop, "--mended", file, "--wait", "0")) == {"letters": 3, "sent": 3, "not_yet_folded": 3}
    assert {raw.key for raw in on_topic(shop)} == {name}
    assert committed(shop) == 5


def test_letters_are_chosen_by_reason_and_by_time(shop: Shop) -> None:
    clicks = shop.clicks(3, sessions=1)
    reasons, times = ("schema", "invalid", "schema"), (1_000_000_000_000, 2_000_000_000_000, 2_000_000_000_000)
    letters = [
        replace(each, reason=reason, delivery=replace(each.delivery, record_time=ts))
        for each, reason, ts in zip(refused(clicks), reasons, times, strict=True)
    ]
    bury(shop, letters)

    chosen = ("--reason", "schema", "--since", "2020-01-01")

    assert counts(replay(shop, *chosen, "--wait", "0")) == {"letters": 1, "sent": 1, "not_yet_folded": 1}
    assert [raw.value for raw in on_topic(shop)] == [encode(clicks[2])]
    assert committed(shop) == 0, "what was not chosen is still to be done"


def test_what_is_late_a_duplicate_erased_or_twice_among_the_letters_is_told_as_the_fold_has_it(shop: Shop) -> None:
    # given a session that holds a click, and one that was erased
    worker = working(shop)
    held, erased = shop.clicks(2, sessions=2)
    shop.send([held, erased])
    topic.eventually(lambda: shop.folded([held, erased]) == 2, "both are folded")
    variables = environment(shop.settings)
    assert nextclick("session", "erase", erased.session_id, environment=variables).returncode == 0
    topic.eventually(lambda: shop.folded([erased]) == 0, "it is erased")
    now = time.time_ns() // 1_000_000
    (new,) = shop.clicks(1, sessions=1)
    late = msgspec.structs.replace(new, event_id="late", ts=EpochMs(now - LATE_MS - 60_000))
    shown = msgspec.structs.replace(new, event_id="shown", type="impression")

    # when
    bury(shop, refused([held, erased, new, late, new, shown]))
    foretold = replay(shop, "--dry-run")
    report = replay(shop, *_WAIT)

    # then
    expected = {"letters": 6, "sent": 6, "folded": 2, "late": 1, "duplicate": 2, "forgotten": 1}
    assert counts(foretold) == counts(report) == expected
    assert shop.sessions_that_differ() == []
    (packed,) = shop.ask([Call(("HGETALL", keys.session(new.session_id)))])
    assert isinstance(packed, dict)
    assert facts.decode(packed).version == 1
    assert worker.stop() == 0


def test_an_event_that_no_worker_has_taken_is_not_called_folded(shop: Shop) -> None:
    bury(shop, refused(shop.clicks(2, sessions=2)))
    done = nextclick("dead", "replay", "--wait", "0.5", environment=environment(shop.settings))
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["folded", "0"] in [row[:2] for row in rows]
    assert ["not", "yet", "folded", "2"] in [row[:4] for row in rows]


def test_a_dry_run_changes_nothing(shop: Shop) -> None:
    bury(shop, refused(shop.clicks(2, sessions=2)))

    report = replay(shop, "--dry-run")

    assert report["dry_run"] is True
    assert counts(report) == {"letters": 2, "sent": 2, "folded": 2}
    assert on_topic(shop) == []
    assert committed(shop) == 0
    assert counts(replay(shop, "--wait", "0")) == {"letters": 2, "sent": 2, "not_yet_folded": 2}


def test_what_is_asked_for_and_is_no_letter_ends_with_65_and_the_others_are_sent(shop: Shop, tmp_path: Path) -> None:
    bury(shop, refused(shop.clicks(2, sessions=1)))

    report = replay(shop, "3:1", "3:9", "7:0", "--wait", "0", code=65)

    assert counts(report) == {"letters": 1, "sent": 1, "not_yet_folded": 1}
    assert report["missing"] == ["3:9", "7:0"]
    file = tmp_path / "mended.ndjson"
    file.write_text('{"letter":"3:9","value":{}}')
    assert replay(shop, "--mended", file, code=65)["missing"] == ["3:9"]


def test_with_no_letters_there_is_nothing_to_do(shop: Shop) -> None:
    assert counts(replay(shop)) == {}


def test_what_is_no_letter_on_the_topic_is_stepped_over(shop: Shop) -> None:
    topic.produce(shop.settings.kafka, shop.names.dead, [(b"k", b"not ours", ())])
    bury(shop, refused(shop.clicks(1, sessions=1)))

    assert counts(replay(shop, "--wait", "0")) == {"letters": 1, "sent": 1, "not_yet_folded": 1}
    assert committed(shop) == 2
