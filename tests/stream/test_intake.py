"""Laws of reading a batch, and of the letters for what cannot be read."""

from __future__ import annotations

from dataclasses import replace

from schemas.topics import (
    DEAD_CUT,
    DEAD_OFFSET,
    DEAD_PARTITION,
    DEAD_REASON,
    DEAD_TIME,
    DEAD_TOPIC,
    OP_ERASE_USER,
    OP_HEADER,
    Topics,
)
from stream import dead
from stream.intake import Delivery, read_batch

NAMES = Topics.named("shop.")


def delivery(offset: int, session: str = "s1", value: bytes | None = None, key: bytes | None = None,
             record_time: int = 5) -> Delivery:  # fmt: skip
    good = b'{"event_id":"e%d","session_id":"%s","item_id":"i","type":"view","ts":5}' % (offset, session.encode())
    return Delivery(key or session.encode(), good if value is None else value, (("trace", b"t"),), 3, offset,
                    record_time, lambda: None)  # fmt: skip


def test_a_batch_is_read_by_session_in_the_order_of_offsets() -> None:
    intake = read_batch([delivery(1, "a"), delivery(2, "b"), delivery(3, "a")], "0badcafe")

    read = {work.session_id: [record.position.offset for record in work.records] for work in intake.works}
    assert read == {"a": [1, 3], "b": [2]}
    assert intake.letters == []


def test_what_concerns_users_is_read_by_user_and_the_rest_by_session_alone() -> None:
    def click(offset: int, session: str, user: str, more: str = "") -> Delivery:
        value = (
            f'{{"event_id":"e","session_id":"{session}","item_id":"i","type":"view","ts":5,"user_id":"{user}"{more}}}'
        )
        return delivery(offset, session, value.encode())

    order = replace(delivery(5), key=b"u", value=None, headers=((OP_HEADER, OP_ERASE_USER),))
    refused = click(4, "a", "u", ',"consent":false')

    intake = read_batch([delivery(1, "a"), click(2, "a", "u"), click(3, "b", "u"), refused, order], "0badcafe")

    sessions = {work.session_id: [record.position.offset for record in work.records] for work in intake.works}
    assert sessions == {"a": [1, 2, 4], "b": [3]}
    (user,) = intake.users
    assert [(each.position.offset, each.click is None) for each in user.records] == [(2, False), (3, False), (5, True)]


def test_one_bad_record_harms_none_of_its_neighbours() -> None:
    bad = [delivery(2, value=b"{"), delivery(3, key=b"other"), delivery(4, record_time=-1)]

    intake = read_batch([delivery(1), *bad, delivery(5)], "0badcafe")

    assert [record.position.offset for record in intake.works[0].records] == [1, 5]
    assert [letter.reason for letter in intake.letters] == ["not_json", "key", "no_time"]


def test_a_dead_letter_carries_the_original_and_where_it_lay() -> None:
    intake = read_batch([delivery(7, value=b"\xff\x00garbage")], "0badcafe")

    (record,) = dead.letters(intake.letters, NAMES)

    headers = dict(record.headers)
    assert (record.topic, record.key, record.value) == ("shop.clickstream.dead", b"s1", b"\xff\x00garbage")
    assert headers[DEAD_REASON].startswith(b"not_json: ")
    assert (headers[DEAD_TOPIC], headers[DEAD_PARTITION], headers[DEAD_OFFSET], headers[DEAD_TIME]) == (
        b"shop.clickstream", b"3", b"7", b"5",
    )  # fmt: skip
    assert headers["trace"] == b"t"


def test_a_hostile_payload_fills_no_header() -> None:
    intake = read_batch([delivery(7, value=b'{"session_id":"' + b"\xd0\xb6" * 20_000 + b'"}')], "0badcafe")

    (record,) = dead.letters(intake.letters, NAMES)

    assert all(len(value) < 1_000 for _, value in record.headers)


def test_a_letter_too_large_for_its_topic_is_cut_and_says_so() -> None:
    """A record of a few KiB on the wire may unpack to many MiB."""
    intake = read_batch([delivery(7, value=b"x" * 3 * 2**20)], "0badcafe")

    (record,) = dead.letters(intake.letters, NAMES)

    assert record.value is not None
    assert len(record.value) < 2**20
    assert dict(record.headers)[DEAD_CUT] == b"2 3145728"


def test_a_record_of_nothing_has_a_letter_that_can_be_sent() -> None:
    nothing = Delivery(None, None, (), 3, 9, 5, lambda: None)

    (record,) = dead.letters(read_batch([nothing], "0badcafe").letters, NAMES)

    assert (record.key, record.value) == (None, b"")
    assert dict(record.headers)[DEAD_CUT] == b"null null"


def test_a_record_without_a_time_is_no_event() -> None:
    for record_time in (-1, 0):
        (letter,) = read_batch([delivery(1, record_time=record_time)], "0badcafe").letters
        assert letter.reason == "no_time"


def test_a_letter_that_leaves_headers_behind_says_so() -> None:
    heavy = Delivery(b"s1", b"{", (("trace", b"t" * 100_000),), 3, 9, 5, lambda: None)

    (record,) = dead.letters(read_batch([heavy], "0badcafe").letters, NAMES)

    assert "trace" not in dict(record.headers)
    assert dict(record.headers)[DEAD_CUT] == b"2 1"
