"""The session store on Redis: one script a session, pipelined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final, Literal, cast

from schemas import facts, keys, traits
from schemas.profile import Profile
from schemas.session import IDLE_MS, Outcome, Record, State, event_hash
from schemas.settings import RedisUrl, Settings
from serving.state import profiles, scripts
from serving.state.limits import PENDING_TTL_MS, ProfileTtl
from serving.state.pipeline import Argument, Call, Pipeline
from serving.state.profiles import Remembered, Traces
from serving.state.sessions import Draft, Folded, Mark, Stored, StoredList, Work
from serving.state.watermarks import Held, Survey, Watermark, signature, strange, surveyed, written

_PROFILE_TTL: Final = ProfileTtl.of(Settings().profile_days, Settings().clickstream_hours)


class RedisSessionStore:
    """The adapter; see SessionStore for what each call promises."""

    def __init__(self, url: RedisUrl, profile_ttl: ProfileTtl = _PROFILE_TTL) -> None:
        self._pipeline = Pipeline(url)
        self._profile_ttl = profile_ttl
        self._anchors = keys.ANCHORS if url.is_cluster else keys.ANCHORS[:1]
        #: Of the last claim; empty before it, and then every server is known.
        self._servers: frozenset[str] = frozenset()

    async def fold(self, works: Sequence[Work], marks: Sequence[Mark] = ()) -> list[Folded]:
        """A single server does one after the other, and so the marks come first within one round trip. Of the shards of
        a Cluster one may be quicker than another. Nobody is harmed by it: what is folded and bears no mark yet has not
        been acknowledged either, so that it is delivered again, and then found to lack its list.
        """
        known, before = _known(self._servers), _marking(marks)
        calls = [
            Call.script(scripts.FOLD, _slot(work.session_id), IDLE_MS, known, *_pack_records(work.records))
            for work in works
        ]
        replies = (await self._pipeline.run([*before, *calls]))[len(before) :]
        return [_folded(work.session_id, cast(list[bytes], reply)) for work, reply in zip(works, replies, strict=True)]

    async def remember(self, works: Sequence[Traces]) -> list[Remembered]:
        known, ttl = _known(self._servers), self._profile_ttl
        calls = [
            Call.script(
                scripts.PROFILE,
                [keys.profile(work.user_id)],
                known,
                ttl.plain_ms,
                ttl.erased_ms,
                *profiles.packed(work),
            )
            for work in works
        ]
        replies = cast(list[list[bytes]], await self._pipeline.run(calls))
        for reply in replies:
            _refuse_if_strange(reply)
        return [profiles.remembered(work.user_id, reply) for work, reply in zip(works, replies, strict=True)]

    async def profiles(self, user_ids: Sequence[str]) -> list[Profile]:
        replies = await self._pipeline.run([Call(("HGETALL", keys.profile(each))) for each in user_ids])
        return [traits.decode(fields) for fields in cast(list[dict[bytes, bytes]], replies)]

    async def store(self, drafts: Sequence[Draft]) -> list[Stored]:
        calls = [Call.script(scripts.STORE, _slot(draft.session_id), *_pack_draft(draft)) for draft in drafts]
        return [_stored(cast(list[int | bytes], reply)) for reply in await self._pipeline.run(calls)]

    async def settle(self, marks: Sequence[Mark]) -> None:
        await self._pipeline.run(
            [
                Call.script(scripts.SETTLE, [key], *(part for mark in group for part in (mark.session_id, mark.since)))
                for key, group in _by_lane(marks)
            ]
        )

    async def pending(self, lane: str) -> list[Mark]:
        (reply,) = await self._pipeline.run([Call(("ZRANGE", keys.pending(lane), 0, -1, "WITHSCORES"))])
        # The client hands scores out as floats or, from older servers, as text; both read as a number.
        entries = cast(list[tuple[bytes, float]], reply)
        return [Mark(lane, session_id.decode(), int(score)) for session_id, score in entries]

    async def survey(self, lanes: Sequence[str]) -> Survey:
        calls = [
            Call.script(scripts.SURVEY, [keys.watermark(lane, anchor) for lane in lanes]) for anchor in self._anchors
        ]
        replies = cast(list[list[bytes]], await self._pipeline.run(calls))
        # Those at the anchors are all of them, but for a shard that has only begun to take slots over.
        servers = {reply[0].decode() for reply in replies} | await self._pipeline.servers()
        return surveyed(servers, {lane: [reply[at] for reply in replies] for at, lane in enumerate(lanes, start=1)})

    async def claim(self, survey: Survey, marks: Mapping[str, Watermark], owner: str) -> bool:
        due = [[survey.written[lane][at] for lane in marks] for at in range(len(self._anchors))]
        replies = await self._write(survey.servers, due, marks, owner)
        if any(set(reply[0]) != set(b"m") for reply in replies):
            return False
        self._servers = survey.servers
        return True

    async def advance(self, marks: Mapping[str, Watermark], owner: str) -> Mapping[str, Held]:
        replies = await self._write(self._servers, [[signature(owner)] * len(marks)] * len(self._anchors), marks, owner)
        for reply in replies:
            _refuse_if_strange(reply)
        fates = zip(*(reply[0].decode() for reply in replies), strict=True)
        return {lane: _worst(each) for lane, each in zip(marks, fates, strict=True)}

    async def _write(
        self, servers: frozenset[str], due: Sequence[Sequence[bytes]], marks: Mapping[str, Watermark], owner: str
    ) -> list[list[bytes]]:
        """Every lane's mark at every anchor, where what is there ends as it is `due`."""
        words = [written(mark, servers, owner) for mark in marks.values()]
        calls = [
            Call.script(
                scripts.ADVANCE,
                [keys.watermark(lane, anchor) for lane in marks],
                _known(servers),
                *(part for pair in zip(ends, words, strict=True) for part in pair),
            )
            for anchor, ends in zip(self._anchors, due, strict=True)
        ]
        return cast(list[list[bytes]], await self._pipeline.run(calls))

    async def discard(self, session_ids: Sequence[str], user_ids: Sequence[str] = ()) -> None:
        names = [(keys.session(each), keys.recommendation(each), keys.vector(each)) for each in session_ids]
        users = [(keys.profile(each),) for each in user_ids]
        await self._pipeline.run([Call(("DEL", *those)) for those in (*names, *users)])

    async def read(self, session_id: str) -> State:
        (state,) = await self.read_many([session_id])
        return state

    async def read_many(self, session_ids: Sequence[str]) -> list[State]:
        """The state of each, in order, in one round trip."""
        slots = [_slot(session_id) for session_id in session_ids]
        replies = await self._pipeline.run([Call(("HGETALL", key)) for slot in slots for key in slot[:2]])
        hashes = cast(list[dict[bytes, bytes]], replies)
        return [_state(*pair) for pair in zip(hashes[::2], hashes[1::2], strict=True)]

    async def recommendation(self, session_id: str) -> StoredList | None:
        (reply,) = await self._pipeline.run([Call(("HGETALL", keys.recommendation(session_id)))])
        fields = cast(dict[bytes, bytes], reply)
        triple = _triple(fields.get(b"t", b""))
        if triple is None:
            return None
        return StoredList(triple, fields[b"body"], fields[b"more"], _unpack_applied(fields[b"o"]))

    async def close(self) -> None:
        await self._pipeline.close()


def _state(session: Mapping[bytes, bytes], erased: Mapping[bytes, bytes]) -> State:
    return State(facts.decode(session) if session else None, facts.decode_erased(erased) if erased else None)


def _slot(session_id: str) -> list[str]:
    """The keys of one session, in the order the scripts take them."""
    return [
        keys.session(session_id),
        keys.erased(session_id),
        keys.recommendation(session_id),
        keys.vector(session_id),
    ]


def _pack_records(records: Sequence[Record]) -> list[Argument]:
    packed: list[Argument] = []
    for record in records:
        position, click = record.position, record.click
        if click is None:
            packed += (scripts.ERASE_CODE, record.record_time, 0, position.lane, position.offset, b"", b"", 0)
        else:
            kind, items = facts.TYPE_CODES[click.type], click.touched
            packed += (kind, record.record_time, int(click.ts), position.lane, position.offset)
            packed += (event_hash(click.event_id), click.event_id, len(items), *items)
    return packed


def _pack_draft(draft: Draft) -> tuple[Argument, ...]:
    return (
        draft.started,
        draft.version,
        draft.trigger.lane,
        draft.trigger.offset,
        draft.trigger_ts,
        draft.clicked_at,
        draft.head,
        draft.more,
        " ".join(f"{lane}:{offset}" for lane, offset in draft.applied.items()),
        keys.fingerprint(draft.session_id),
        keys.channel(draft.session_id),
        draft.vector or b"",
        draft.vector_tag,
    )


def _known(servers: frozenset[str]) -> str:
    return " ".join(sorted(servers))


def _refuse_if_strange(reply: list[bytes]) -> None:
    if reply[0] == b"!":
        raise strange(reply[1].decode())


def _worst(fates: Iterable[str]) -> Held:
    """One place where nothing is left outweighs all others."""
    held = set(map(Held, fates))
    return next(fate for fate in (Held.GONE, Held.FOREIGN, Held.MOVED) if fate in held)


def _folded(session_id: str, reply: list[bytes]) -> Folded:
    _refuse_if_strange(reply)
    outcomes, ranked, *flat = reply
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    return Folded(session_id, tuple(map(Outcome, outcomes.decode())), fields, _triple(ranked))


def _stored(reply: list[int | bytes]) -> Stored:
    if reply[0] != -1:
        return Stored(cast(int, reply[0]))
    return Stored(None, _REFUSALS[cast(bytes, reply[1])])


_REFUSALS: Final[dict[bytes, Literal["gone", "erased", "older"]]] = {
    b"gone": "gone",
    b"erased": "erased",
    b"older": "older",
}


def _triple(packed: bytes) -> tuple[int, int, int] | None:
    if not packed:
        return None
    started, version, revision = packed.split(b".")
    return int(started), int(version), int(revision)


def _unpack_applied(packed: bytes) -> Mapping[str, int]:
    pairs = (entry.rpartition(":") for entry in packed.decode().split())
    return {lane: int(offset) for lane, _, offset in pairs}


def _marking(marks: Sequence[Mark]) -> list[Call]:
    calls: list[Call] = []
    for key, group in _by_lane(marks):
        scores = [part for mark in group for part in (mark.since, mark.session_id)]
        calls += [Call(("ZADD", key, "GT", *scores)), Call(("PEXPIRE", key, PENDING_TTL_MS))]
    return calls


def _by_lane(marks: Sequence[Mark]) -> list[tuple[str, list[Mark]]]:
    in_order = sorted(marks, key=lambda mark: mark.lane)
    return [(keys.pending(lane), list(group)) for lane, group in groupby(in_order, key=lambda mark: mark.lane)]
