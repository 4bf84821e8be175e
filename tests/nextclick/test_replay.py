"""`nextclick replay`: each event once, in its session's order, on the partition any Java client would choose."""

from __future__ import annotations

import gzip
import json
import re
import signal
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.partitioner.default import murmur2

from nextclick.replay import replay
from nextclick.sample import REPLAY
from nextclick.schedule import Pace
from schemas.click import Click, decode
from schemas.errors import KafkaError
from schemas.settings import Settings
from schemas.topics import Topics
from schemas.wire import EpochMs
from serving.state import topics
from tests.kit.command import nextclick, started
from tests.kit.topic import eventually, read_all
from tests.kit.worker import environment

_TOPICS_S = 30.0
_END_S = 30.0

#: Key, Java's Utils.murmur2 of it, and BuiltInPartitioner.partitionForKey among 4 and among 12 partitions, as
#: the jar kafka-clients 4.1.1 answers.
JAVA = [
    ("a", -1563381124, 0, 4),
    ("ab", 316155434, 2, 2),
    ("abc", 479470107, 3, 3),
    ("abcd", -1323649548, 0, 8),
    ("s-1", -1298194753, 3, 7),
    ("s-42", -755744679, 1, 5),
    ("580a69ea1e0354d1", 2116944929, 1, 5),
    ("Session_With-All_4lengths", 1005400540, 0, 4),
    ("0123456789abcdef0123456789abcdef", 81657833, 1, 5),
    ("z9_-", -2091339052, 0, 4),
]


@pytest.fixture
def declared(settings: Settings) -> Settings:
    topics.create(settings, _TOPICS_S)
    return settings


def clickstream(settings: Settings) -> str:
    return Topics.named(settings.topic_prefix).clickstream


def visit(session_id: str, number: int) -> Click:
    return Click(
        event_id=f"{session_id}.{number}", session_id=session_id, type="view", item_id="i", ts=EpochMs(1_000 * number)
    )


@pytest.mark.parametrize(("key", "java", "_", "among_12"), JAVA)
def test_a_key_goes_where_java_sends_it(key: str, java: int, _: int, among_12: int) -> None:
    found = murmur2(key.encode())
    assert found % 2**32 == java % 2**32
    assert (found & 0x7FFFFFFF) % 12 == among_12


@pytest.mark.kafka
def test_each_event_arrives_once_keyed_by_its_session_in_order(declared: Settings) -> None:
    # given ten sessions that click in turn
    log = [visit(session_id, number) for number in range(40) for session_id, *_ in JAVA]

    # when
    played = replay(declared, log, Pace(rate=100_000))

    # then
    found = read_all(declared.kafka, clickstream(declared))
    by_session = defaultdict(list)
    for raw in found:
        assert raw.value
        by_session[raw.key].append((raw.partition, decode(raw.value).event_id))
    assert {key.decode(): events for key, events in by_session.items() if key} == {
        session_id: [(partition, f"{session_id}.{number}") for number in range(40)]
        for session_id, _, partition, _ in JAVA
    }
    assert played.events == len(log)
    assert played.spread == {0: 160, 1: 120, 2: 40, 3: 80}


@pytest.mark.kafka
def test_times_are_those_of_now_unless_they_are_to_be_kept(declared: Settings) -> None:
    # given
    log = [visit("s", 7), visit("s", 8)]

    # when
    replay(declared, log, Pace(speed=1_000))
    replay(declared, log, Pace(speed=1_000, keep_time=True))

    # then
    raws = read_all(declared.kafka, clickstream(declared))
    first, second, *kept = (decode(raw.value or b"") for raw in raws)
    assert second.ts - first.ts == 1
    assert abs(first.ts - raws[0].timestamp) < 60_000
    assert [click.ts for click in kept] == [7_000, 8_000]


@pytest.mark.kafka
def test_the_command_plays_files_and_says_what_it_did(declared: Settings, tmp_path: Path) -> None:
    # given a log whose columns have other names
    path = tmp_path / "clicks.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("visitor,product,ts\n" + "".join(f"v{number % 3},p{number},{number}\n" for number in range(30)))
    names = ["--map", "session_id=visitor", "--map", "item_id=product", "--set", "type=cart"]

    # when
    done = nextclick(
        "replay", path, "--rate", "1000", "--limit", "25", "--json", *names, environment=environment(declared)
    )

    # then
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["events"] == sum(report["spread"].values()) == 25
    found = [decode(raw.value or b"") for raw in read_all(declared.kafka, clickstream(declared))]
    assert {(click.item_id, click.type) for click in found} == {(f"p{number}", "cart") for number in range(25)}
    assert "times are epoch seconds" in done.stderr


@pytest.mark.kafka
def test_ctrl_c_says_how_far_it_came_and_every_event_it_counts_is_there(declared: Settings) -> None:
    # given
    process = started("replay", REPLAY, "--rate", "50", environment=environment(declared))
    eventually(lambda: bool(read_all(declared.kafka, clickstream(declared))), "the first event")

    # when
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=_END_S)

    # then
    assert process.returncode == 130
    count = int(said.split("stopped early: ")[1].split()[0])
    there = len(read_all(declared.kafka, clickstream(declared)))
    assert 0 < count <= there <= count + 1, "at most the one that was handed over in that very moment is not counted"


@pytest.mark.kafka
@pytest.mark.needs("durable")
def test_an_event_that_kafka_refuses_ends_it_with_what_was_delivered(settings: Settings) -> None:
    # given a topic that takes no batch of more than 250 bytes, and events on each of its partitions
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka)
    plan = {"num_partitions": 4, "replication_factor": 1, "configs": {"max.message.bytes": "250"}}
    admin.create_topics({clickstream(settings): plan})
    admin.wait_for_topics([clickstream(settings)])
    admin.close()
    big = Click(event_id="x" * 64, session_id="a", type="view", item_id="i" * 128, ts=EpochMs(0))

    # when
    with pytest.raises(KafkaError) as refusal:
        replay(settings, [big, visit("s-42", 1), visit("ab", 1), visit("abc", 1)], Pace(rate=100_000))

    # then nothing is claimed that is not there; a client that starts over after a refusal may know of less
    found = read_all(settings.kafka, clickstream(settings))
    claimed = re.match(r"at least (\d) of 4 events were delivered; .*`nextclick doctor`", str(refusal.value))
    assert claimed
    assert int(claimed[1]) <= len(found)
    assert big.event_id.encode() not in b"".join(raw.value or b"" for raw in found)


@pytest.mark.kafka
def test_a_topic_that_is_not_there_ends_it_with_69_and_what_to_do(settings: Settings) -> None:
    done = nextclick("replay", REPLAY, environment=environment(replace(settings, start_wait_s=1)))
    assert done.returncode == 69
    assert "nextclick topics create" in done.stderr.splitlines()[-1]
    assert clickstream(settings) in topics.missing(settings, _TOPICS_S)
