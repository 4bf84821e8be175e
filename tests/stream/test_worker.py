"""Laws of the whole path, with a real worker process between a real Kafka and a real Redis."""

from __future__ import annotations

import gzip
import secrets
import socket
from dataclasses import replace
from functools import partial

import msgspec

from nextclick.servers import Guardian
from schemas import facts, keys, recommendation
from schemas.click import encode
from schemas.recommendation import PUBLISHED, STORED, Recommendation
from schemas.settings import RedisUrl, Settings
from schemas.topics import DEAD_OFFSET, DEAD_PARTITION, DEAD_REASON, DEAD_TOPIC, OP_ERASE, OP_HEADER
from schemas.wire import MAX_BYTES
from serving.state.pipeline import Call
from tests.kit import topic
from tests.kit.redis_server import RedisServer
from tests.kit.shop import Shop
from tests.kit.worker import Worker


def test_a_click_comes_back_as_thirty_items_on_the_topic_and_in_redis(shop: Shop) -> None:
    worker = shop.worker()
    worker.await_assigned()
    clicks = shop.clicks(20, sessions=4)

    shop.send(clicks)

    last = {click.session_id: click for click in clicks}
    newest: dict[str, Recommendation] = {}

    def all_answered() -> bool:
        newest.update({each.session_id: each for each in shop.lists()})
        return {name: each.trigger.event_id for name, each in newest.items()} == {
            name: click.event_id for name, click in last.items()
        }

    topic.eventually(all_answered, "the newest list of each session knows its last click")
    for name, found in newest.items():
        stored = shop.stored(name)
        assert stored is not None
        assert stored.body == recommendation.encode(found), "what is polled is what was published"
        assert len(found.items) == PUBLISHED
        assert PUBLISHED <= len(found.items) + len(recommendation.decode_spares(stored.more)) <= STORED
        assert [item.rank for item in found.items] == list(range(1, PUBLISHED + 1))
        assert all(item.reason.text for item in found.items)
        assert found.session_version == 5
        assert found.pool_size <= 200
    assert shop.sessions_that_differ() == []
    assert worker.stop() == 0


def test_what_cannot_be_taken_goes_to_the_dead_letters_and_the_next_click_is_unharmed(shop: Shop) -> None:
    good = shop.clicks(2, sessions=1)
    session = good[0].session_id.encode()
    with_bomb = b'{"event_id":"e","session_id":"s","item_id":"i","type":"view","ts":1,"attrs":%s}'
    bad: list[tuple[bytes | None, bytes | None]] = [
        (session, b"\x00\xff not json"),
        (session, b"[" * 50_000),
        (session, gzip.compress(b"x" * 100)),
        (session, b"x" * (MAX_BYTES + 1)),
        (session, None),
        (None, msgspec.json.encode({"event_id": "e"})),
        (b"another", encode(good[0])),
        (b"../../etc", encode(good[0]).replace(session, b"../../etc")),
        (session, with_bomb % (b'{"a":' * 20 + b"1" + b"}" * 20)),
        (session, encode(good[0]).replace(b"click/1", b"click/2")),
    ]
    shop.send(good[:1])
    positions = topic.produce(shop.settings.kafka, shop.names.clickstream, [(key, value, ()) for key, value in bad])
    shop.send(good[1:])

    worker = shop.worker()

    topic.eventually(lambda: len(shop.letters()) == len(bad), "every bad record has its letter")
    topic.eventually(lambda: shop.sessions_that_differ() == [], "the good clicks are folded")
    letters = {
        (int(headers[DEAD_PARTITION]), int(headers[DEAD_OFFSET])): (letter, headers)
        for letter in shop.letters()
        for headers in [dict(letter.headers)]
    }
    for (key, value), position in zip(bad, positions, strict=True):
        letter, headers = letters[position.partition, position.offset]
        assert (letter.key, letter.value) == (key, value)
        assert headers[DEAD_TOPIC] == shop.names.clickstream.encode()
        assert headers[DEAD_REASON].split(b":")[0] in {b"not_json", b"too_large", b"null_value", b"key", b"invalid",
                                                       b"schema"}  # fmt: skip
    assert worker.stop() == 0


def test_batches_compressed_in_every_way_are_read(shop: Shop) -> None:
    worker = shop.worker()
    for compression in ("gzip", "snappy", "lz4", "zstd"):
        clicks = shop.clicks(50, sessions=5)
        records = [(click.session_id.encode(), encode(click)) for click in clicks]
        topic.produce_compressed(shop.settings.kafka, shop.names.clickstream, records, compression)

        topic.eventually(partial(shop.has_folded, clicks, 50), f"all that {compression} packed are folded")
    assert worker.stop() == 0


def test_a_record_that_unpacks_to_more_than_any_topic_takes_stops_nobody(shop: Shop) -> None:
    (good,) = shop.clicks(1, sessions=1)
    key = good.session_id.encode()
    topic.produce_compressed(shop.settings.kafka, shop.names.clickstream, [(key, b"x" * 3 * 2**20)], "gzip")
    shop.send([good])

    worker = shop.worker()

    topic.eventually(lambda: shop.folded([good]) == 1, "the click behind it is folded")
    (letter,) = shop.letters()
    assert dict(letter.headers)[DEAD_REASON].startswith(b"too_large")
    assert worker.stop() == 0


def test_an_erased_session_is_taken_back_everywhere(shop: Shop) -> None:
    worker = shop.worker()
    worker.await_assigned()
    (click,) = shop.clicks(1, sessions=1)
    name = click.session_id
    shop.send([click])
    topic.eventually(lambda: shop.stored(name) is not None, "the list is stored")

    order = (name.encode(), None, [(OP_HEADER, OP_ERASE)])
    topic.produce(shop.settings.kafka, shop.names.clickstream, [order])

    def nulls() -> list[topic.Raw]:
        raws = topic.read_all(shop.settings.kafka, shop.names.recommendations)
        return [raw for raw in raws if raw.value is None]

    topic.eventually(lambda: [raw.key for raw in nulls()] == [name.encode()], "subscribers are told")
    assert shop.ask([Call(("EXISTS", keys.session(name))), Call(("EXISTS", keys.recommendation(name)))]) == [0, 0]
    assert worker.stop() == 0


def test_a_click_without_consent_is_never_kept(shop: Shop) -> None:
    refused, taken = shop.clicks(1, sessions=1, consent=False), shop.clicks(1, sessions=1)
    worker = shop.worker()

    shop.send(refused + taken)

    topic.eventually(lambda: shop.stored(taken[0].session_id) is not None, "the other click is answered")
    assert shop.ask([Call(("HGETALL", keys.session(refused[0].session_id)))]) == [{}]
    assert refused[0].session_id not in {each.session_id for each in shop.lists()}
    assert worker.stop() == 0


def test_sessions_that_a_dead_worker_left_pending_are_ranked_by_the_next(shop: Shop) -> None:
    """The crash between fold and ranking, made by hand: events folded and committed, marks made, no list."""
    clicks = shop.clicks(4, sessions=4)
    first = shop.worker()
    first.await_assigned()
    shop.send(clicks)
    topic.eventually(lambda: len(shop.lists()) == 4, "all are ranked")
    assert first.stop() == 0
    lanes = {
        raw.key.decode(): f"{shop.epoch}.{raw.partition}"
        for raw in topic.read_all(shop.settings.kafka, shop.names.clickstream)
        if raw.key is not None
    }
    shop.ask([Call(("DEL", keys.recommendation(name))) for name in lanes])
    shop.ask([Call(("ZADD", keys.pending(lane), 1, name)) for name, lane in lanes.items()])

    second = shop.worker()

    topic.eventually(lambda: len(shop.lists()) == 8, "the lists that were owed are out")
    topic.eventually(
        lambda: shop.ask([Call(("EXISTS", keys.pending(lane))) for lane in lanes.values()]) == [0] * 4,
        "nobody is pending any more",
    )
    assert second.stop() == 0


def test_a_redis_that_is_away_for_a_while_costs_nothing(guardian: Guardian, shop: Shop) -> None:
    redis = RedisServer(guardian, f"redis-{secrets.token_hex(4)}")
    shop.settings = replace(shop.settings, redis=RedisUrl(redis.url))
    worker = shop.worker()
    worker.await_assigned()
    clicks = shop.clicks(2_000, sessions=50)
    shop.send(clicks[:1_000])

    redis.pause()
    shop.send(clicks[1_000:])
    topic.eventually(lambda: "trying for" in worker.said(), "the worker has noticed")
    redis.resume()

    topic.eventually(lambda: shop.sessions_that_differ() == [], "every session is the fold of the topic")
    assert worker.stop() == 0


def test_a_redis_that_stays_away_ends_the_worker_with_70_and_loses_nothing(guardian: Guardian, shop: Shop) -> None:
    redis = RedisServer(guardian, f"redis-{secrets.token_hex(4)}")
    shop.settings = replace(shop.settings, redis=RedisUrl(redis.url), retry_budget_s=1)
    worker = shop.worker()
    worker.await_assigned()
    redis.pause()
    shop.send(shop.clicks(100, sessions=10))

    assert worker.await_end(30) == 70
    assert "does not answer" in worker.said()

    redis.resume()
    after = shop.worker()
    topic.eventually(lambda: shop.sessions_that_differ() == [], "what was not acknowledged came again")
    assert after.stop() == 0


def test_a_metrics_port_that_is_taken_is_a_wrong_setting(shop: Shop) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        worker = Worker(shop.guardian, replace(shop.settings, metrics_port=taken.getsockname()[1]))

        assert worker.await_end(30) == 78
    assert "NEXTCLICK_METRICS_PORT" in worker.said()


def test_a_worker_without_its_topics_says_what_to_run_and_ends_with_69(guardian: Guardian, settings: Settings) -> None:
    worker = Worker(guardian, replace(settings, start_wait_s=1))

    assert worker.await_end(30) == 69
    assert "nextclick topics create" in worker.said()


def test_facts_decode_for_every_session_on_the_topic(shop: Shop) -> None:
    worker = shop.worker()
    clicks = shop.clicks(10, sessions=2)
    shop.send(clicks)
    topic.eventually(lambda: shop.sessions_that_differ() == [], "folded")

    (reply,) = shop.ask([Call(("HGETALL", keys.session(clicks[0].session_id)))])

    assert isinstance(reply, dict)
    assert [action.item_id for action in facts.decode(reply).recent] == [click.item_id for click in clicks[::2]]
    assert worker.stop() == 0
