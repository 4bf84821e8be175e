"""What was erased is nowhere, and what came without consent never was: whatever is delivered again, late, and by whom.

Told by what lies on the topic alone, not by the fold. Every event has an id and an item of its own, so that whatever
in a store stems from it can be seen there.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar, cast

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from nextclick.servers import Guardian
from schemas import facts, keys
from schemas.click import Click, EventType, encode
from schemas.recommendation import Item, Model, Reason
from schemas.session import AGE_MS, FUTURE_MS, LATE_MS, Outcome, State, event_hash
from schemas.settings import RedisUrl
from schemas.topics import OP_ERASE, OP_HEADER
from schemas.wire import EpochMs
from serving.ranking.ranker import Ranked
from serving.state.memory import MemorySessionStore
from serving.state.redis import RedisSessionStore
from serving.state.sessions import Draft, Folded, SessionStore
from stream.drafting import Surroundings, draft
from stream.intake import Delivery, read_batch
from tests.kit import rungs
from tests.kit.redis_server import FLEETING, RedisServer
from tests.worlds.histories import START_MS

T = TypeVar("T")
EPOCH: Final = "0badcafe"
NAMES: Final = ("shopper-a", "shopper-b")
MINUTE_MS: Final = 60_000
#: Whoever reads a day again does so faster than it passes.
READS_WITHIN_MS: Final = MINUTE_MS
PLACES: Final = st.integers(0, 10_000)
TYPES: Final[tuple[EventType, ...]] = ("view", "cart", "purchase", "like", "impression")
#: Of a shopper's clock against Kafka's.
SKEWS_MS: Final = (0, 0, 0, -1_000, MINUTE_MS, -10 * MINUTE_MS, FUTURE_MS + 1, -LATE_MS - 1)


@dataclass(frozen=True)
class Entry:
    """One record of the topic; `number` counts them all, in the order in which they came."""

    number: int
    session_id: str
    delivery: Delivery
    ts: int = 0
    is_erasure: bool = False
    has_consent: bool = True

    @property
    def traces(self) -> tuple[bytes, ...]:
        """What of it a store could hold. All items of an event begin alike."""
        return item_of(self.number).encode(), event_of(self.number).encode(), event_hash(event_of(self.number))


def event_of(number: int) -> str:
    return f"event-{number:05}"


def item_of(number: int) -> str:
    return f"item-{number:05}"


@dataclass(frozen=True)
class Batch:
    """What somebody has in hand, since when."""

    entries: tuple[Entry, ...]
    since: int


@dataclass(frozen=True)
class Ready:
    """A list that somebody is about to store."""

    draft: Draft
    since: int


class Installation(RuleBasedStateMachine):
    """A topic of two partitions, whoever owns it now, all who ever did, and two stores that must agree."""

    #: Of a Redis that is ours alone.
    url: ClassVar[str]
    #: What became of everything that was folded or stored, in all examples.
    seen: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.server = redis.Redis.from_url(self.url)
        self.server.flushall()
        self.real = RedisSessionStore(RedisUrl(self.url))
        self.twin = MemorySessionStore()
        self.now = START_MS
        self.topic: list[Entry] = []
        self.partition = 0
        #: By partition, how many of its records are read.
        self.read = [0, 0]
        #: The numbers of those that were folded since the store last lost everything.
        self.folded: set[int] = set()
        self.batches: list[Batch] = []
        self.drafts: list[Ready] = []

    def teardown(self) -> None:
        self.runner.run(self.real.close())
        self.runner.close()
        self.server.close()

    # What comes to the topic

    @rule(name=st.sampled_from(NAMES), kind=st.sampled_from(TYPES), skew=st.sampled_from(SKEWS_MS))
    def click(self, name: str, kind: EventType, skew: int) -> None:
        self._append_click(name, kind, self.now + skew)

    @rule(name=st.sampled_from(NAMES), skew=st.sampled_from(SKEWS_MS))
    def click_that_is_folded_at_once(self, name: str, skew: int) -> None:
        self._append_click(name, "view", self.now + skew)
        self.fold_on(self.partition, len(self.topic))

    @rule(name=st.sampled_from(NAMES), skew=st.sampled_from(SKEWS_MS))
    def click_without_consent(self, name: str, skew: int) -> None:
        self._append_click(name, "view", self.now + skew, consent=False)

    @rule(name=st.sampled_from(NAMES))
    def ask_to_erase(self, name: str) -> None:
        """As `nextclick session erase` does: the workers come to it when they do."""
        self._append_erasure(name)

    @rule(name=st.sampled_from(NAMES))
    def erase_ahead_of_the_workers(self, name: str) -> None:
        """As whoever must not wait for them does."""
        self._fold([self._append_erasure(name)])

    # Whoever owns the topic

    @rule(partition=st.integers(0, 1), at_most=st.integers(1, 6))
    def fold_on(self, partition: int, at_most: int) -> None:
        due = self._lane(partition)[self.read[partition] :][:at_most]
        self.read[partition] += len(due)
        if due:
            self.batches.append(Batch(tuple(due), self.now))
            self._fold(due)

    @precondition(lambda self: self.drafts)
    @rule()
    def store_the_newest_list(self) -> None:
        self._store(self.drafts[-1])

    @rule(partition=st.integers(0, 1), place=PLACES)
    def read_again(self, partition: int, place: int) -> None:
        """A redelivery, or a rewind, which goes back for a day at most."""
        oldest = self.now - AGE_MS + READS_WITHIN_MS
        lane = self._lane(partition)
        first = next((at for at, each in enumerate(lane) if each.delivery.record_time >= oldest), len(lane))
        if first < self.read[partition]:
            self.read[partition] = first + place % (self.read[partition] - first)

    @rule()
    def give_the_topic_more_partitions(self) -> None:
        """From now on a session is on another than before, where it may have been before that. It takes its time."""
        self._pass(1)
        self.partition = 1 - self.partition

    # Who owned it once, and wakes

    @precondition(lambda self: self.batches)
    @rule(place=PLACES)
    def fold_late(self, place: int) -> None:
        self._fold(self.batches[place % len(self.batches)].entries)

    @precondition(lambda self: self.drafts)
    @rule(place=PLACES)
    def store_late(self, place: int) -> None:
        self._store(self.drafts[place % len(self.drafts)])

    # Time

    @rule(by=st.sampled_from((0, 1, 1_000)))
    def time_passes(self, by: int) -> None:
        self._pass(by)

    @rule(minutes=st.sampled_from((6, 31, 36, 13 * 60, 25 * 60)))
    def nobody_clicks_for_long(self, minutes: int) -> None:
        self._catch_up()
        self._pass(minutes * MINUTE_MS)

    @rule()
    def redis_loses_everything(self) -> None:
        """The workers were stopped before. The next one reads the last day."""
        self.server.flushall()
        self.twin = MemorySessionStore()
        self.folded, self.batches, self.drafts = set(), [], []
        for partition in (0, 1):
            self.read[partition] = len(self._lane(partition))
            self.read_again(partition, 0)

    # What must hold

    @invariant()
    def nothing_is_left_that_was_erased_or_came_without_consent(self) -> None:
        gone = [trace for entry in self._forbidden() for trace in entry.traces]
        for held in (b"\0".join(self._in_redis()), b"\0".join(self._in_memory())):
            assert [trace for trace in gone if trace in held] == []

    @invariant()
    def of_whoever_did_nothing_since_the_erasure_no_key_is_left_but_the_marker(self) -> None:
        forbidden = {entry.number for entry in self._forbidden()}
        there = {entry.session_id for entry in self.topic if entry.number in self.folded - forbidden
                 and not entry.is_erasure}  # fmt: skip
        left = {key.decode() for key in self.server.scan_iter()}
        for name in set(NAMES) - there:
            assert left.isdisjoint({keys.session(name), keys.recommendation(name), keys.vector(name)})
            assert self.twin._states.get(name, State()).session is None
            assert name not in self.twin._lists

    @rule(name=st.sampled_from(NAMES))
    def a_shopper_who_returns_is_taken_in(self, name: str) -> None:
        self._catch_up()
        self._pass(1_000)
        entry = self._append_click(name, "view", self.now)
        self._catch_up()
        for held in (self._in_redis(), self._in_memory()):
            assert entry.traces[0] in b"\0".join(held)

    def _forbidden(self) -> Iterator[Entry]:
        """What is before an erasure that was folded, by its place or by its own time; and what never had consent."""
        erasures = [each for each in self.topic if self._erases(each) and each.number in self.folded]
        for entry in self.topic:
            if not entry.is_erasure and (
                not entry.has_consent
                or any(
                    each.session_id == entry.session_id
                    and (entry.number < each.number or entry.ts <= each.delivery.record_time)
                    for each in erasures
                )
            ):
                yield entry

    @staticmethod
    def _erases(entry: Entry) -> bool:
        return entry.is_erasure or not entry.has_consent

    # How it is done

    def _lane(self, partition: int) -> list[Entry]:
        return [entry for entry in self.topic if entry.delivery.partition == partition]

    def _append_click(self, name: str, kind: EventType, ts: int, *, consent: bool = True) -> Entry:
        number = len(self.topic)
        shown = tuple(f"{item_of(number)}-{at}" for at in range(3)) if kind == "impression" else ()
        made = Click(
            event_id=event_of(number), session_id=name, type=kind, ts=EpochMs(ts), consent=consent, items=shown,
            item_id=None if shown else item_of(number), user_id=f"user-of-{name}",
        )  # fmt: skip
        return self._append(Entry(number, name, self._delivery(name, encode(made)), ts, has_consent=consent))

    def _append_erasure(self, name: str) -> Entry:
        delivery = self._delivery(name, None, [(OP_HEADER, OP_ERASE)])
        return self._append(Entry(len(self.topic), name, delivery, is_erasure=True))

    def _append(self, entry: Entry) -> Entry:
        self.topic.append(entry)
        return entry

    def _delivery(self, name: str, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()) -> Delivery:
        offset = len(self._lane(self.partition))
        return Delivery(name.encode(), value, headers, self.partition, offset, self.now, lambda: None)

    def _fold(self, entries: Sequence[Entry]) -> None:
        intake = read_batch([entry.delivery for entry in entries], EPOCH)
        assert not intake.letters
        folded = self._both(lambda store: store.fold(intake.works))
        self.folded |= {entry.number for entry in entries}
        self.seen.update(outcome.name for each in folded for outcome in each.outcomes)
        self.drafts += [Ready(_drafted(each, self.now), self.now) for each in folded if each.version]

    def _store(self, ready: Ready) -> None:
        (stored,) = self._both(lambda store: store.store([ready.draft]))
        self.seen[stored.refused or "stored"] += 1

    def _catch_up(self) -> None:
        for partition in (0, 1):
            self.fold_on(partition, len(self.topic))

    def _both(self, ask: Callable[[SessionStore], Awaitable[list[T]]]) -> list[T]:
        answer, twin = (self.runner.run(_awaited(ask(store))) for store in (self.real, self.twin))
        assert answer == twin
        return answer

    def _pass(self, by: int) -> None:
        """Redis's clock goes on too; the twin, which has none, loses what Redis does. A zombie lives no day."""
        self.now += by
        for key in cast(list[bytes], list(self.server.scan_iter())):
            left = self.server.pttl(key)
            assert left >= 0, f"{key!r} stays for ever"
            self.server.pexpire(key, max(0, left - by))
        left_over = {key.decode() for key in self.server.scan_iter()}
        for name, state in list(self.twin._states.items()):
            session = state.session if keys.session(name) in left_over else None
            self.twin._states[name] = State(session, state.erased if keys.erased(name) in left_over else None)
            if keys.recommendation(name) not in left_over:
                self.twin._lists.pop(name, None)
        self.batches = [each for each in self.batches if self.now - each.since < AGE_MS - READS_WITHIN_MS]
        self.drafts = [each for each in self.drafts if self.now - each.since < AGE_MS - READS_WITHIN_MS]

    def _in_redis(self) -> Iterator[bytes]:
        for key in cast(list[bytes], list(self.server.scan_iter())):
            yield key
            kind = self.server.type(key)
            assert kind == b"hash", f"{key!r} is a {kind!r}, which this test must learn to read"
            for field, value in cast(dict[bytes, bytes], self.server.hgetall(key)).items():
                yield from (field, value)

    def _in_memory(self) -> Iterator[bytes]:
        for state in self.twin._states.values():
            yield from facts.encode(state.session).values() if state.session else ()
        for stored in self.twin._lists.values():
            yield from (stored.body, stored.more)


async def _awaited(answer: Awaitable[T]) -> T:
    return await answer


def _drafted(entry: Folded, now: int) -> Draft:
    """The list of a ranker that shows a shopper what they touched, and whose vector says the same."""
    session = entry.session()
    assert session.trigger is not None
    touched = [action.item_id for action in session.recent] or list(session.shown)
    items = [
        Item(item_id=item, rank=rank, score=1.0, source="session_items", reason=Reason(code="yours"))
        for rank, item in enumerate(touched, start=1)
    ]
    ranked = Ranked(tuple(items), len(items), vector=" ".join(touched).encode())
    around = Surroundings("clickstream", "recommendations", lambda: now, lambda: f"of {session.trigger}")
    return draft(entry.session_id, session, session.trigger, ranked, Model("m", "c"), around)


@pytest.mark.parametrize(
    ("examples", "steps"), [(60, 40), pytest.param(1_000, 50, marks=pytest.mark.chaos)], ids=["few", "many"]
)
@pytest.mark.timeout(1_800)
def test_no_order_of_things_keeps_or_brings_back_what_was_erased_or_came_without_consent(
    guardian: Guardian, examples: int, steps: int
) -> None:
    rungs.demand("redis-server")
    server = RedisServer(guardian, f"redis-{secrets.token_hex(4)}", FLEETING)

    class Here(Installation):
        url, seen = server.url, Counter[str]()

    try:
        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
            ),
        )
    finally:
        server.kill()

    met = {Outcome.APPLIED, Outcome.STALE, Outcome.FORGOTTEN, Outcome.ERASED}
    assert {outcome.name for outcome in met} | {"stored", "gone"} <= Here.seen.keys(), (
        "what never happened proves nothing"
    )
