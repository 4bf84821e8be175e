"""From folded sessions to lists in Redis and on the topic, behind the fold and never in its way.

A list is a derivation: it may be made again, the latest wins. What must not happen is that a session
stays at version N without the list for N, so a session leaves the pending set only when its list is out.

    lane     a partition of one epoch of the topic, which one worker owns at a time
    mark     a session's entry on its lane's pending set in Redis: a list is owed
    settle   to take off marks whose lists are out
    adopt    to rank what the last owner of a lane left marked
    parcel   a list, or a null that takes lists back, on its way to the topic (outbox.py)
    stale    of a list that holds what is to be had no more (standing.py)
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Final, Protocol

from schemas.profile import continued
from schemas.recommendation import Model, revised
from schemas.session import IDLE_MS, Session
from serving.ranking.ranker import Ranked
from serving.state.patience import Patience
from serving.state.producer import Outgoing
from serving.state.sessions import Draft, Folded, Mark, SessionStore, Stored, Work
from stream.drafting import Surroundings, draft
from stream.metrics import Metrics
from stream.outbox import Outbox, Parcel
from stream.pace import SILENT_MS, Pace
from stream.pending import Pending
from stream.profiles import Profiles
from stream.standing import Standing

#: How many of a lane's pending sessions are read in one round trip.
_ADOPT_MAX: Final = 500
#: Marks are taken off together, so long after the one before.
_SETTLE_EVERY_S: Final = 0.05
#: Items that are gone are looked for in lists together, this long after the first of them.
_GATHER_S: Final = 0.25


class Ranks(Protocol):
    """What this file needs of serving.ranking's Ranker."""

    @property
    def version(self) -> str: ...

    @property
    def counts_version(self) -> str: ...

    def rank(self, sessions: Sequence[Session], now: int) -> list[Ranked]: ...


class Ranking:
    """Marked before the fold, ranked after it, settled when the list is out."""

    def __init__(
        self,
        store: SessionStore,
        ranker: Ranks,
        outbox: Outbox,
        patience: Patience,
        pace: Pace,
        around: Surroundings,
        metrics: Metrics,
        batch_max: int,
        profiles: Profiles,
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._pace = pace
        self._ranker = ranker
        self._outbox = outbox
        self._patience = patience
        self._around = around
        self._metrics = metrics
        self._batch_max = batch_max
        self._pending = Pending()
        self._wake = asyncio.Event()
        #: Ranked, not stored, and since when: one batch, so that a slow store slows the ranking down.
        self._drafted: asyncio.Queue[tuple[Sequence[Draft], float]] = asyncio.Queue(1)
        #: Of the lanes that are ours, the offset below which a rewind reads what was read before.
        self._again: dict[str, int] = {}
        #: Those whose pending sets we have not looked at yet.
        self._strange: set[str] = set()
        #: Sessions taken over so far from the last owners of our lanes.
        self.adopted = 0
        self._standing = Standing()
        #: Items to be looked for in lists; sessions, and their lanes, in whose lists some were found.
        self._gone: set[str] = set()
        self._missed = asyncio.Event()
        self._stale: dict[str, str] = {}
        #: Batches that are ranked or stored just now, and whether there are none and nobody waits.
        self._under_way = 0
        self._rested = asyncio.Event()
        self._rested.set()
        #: Marks to be taken off.
        self._done: list[Mark] = []
        #: Held from the first mark of a batch to its last offer, so that lanes change hands only in between.
        self.turn = asyncio.Lock()
        # One thread: no two batches compete for a core, and whoever waits behind one knows that it is done.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rank")

    async def expect(self, works: Sequence[Work]) -> list[Mark]:
        """What to mark before the fold: whoever finds these marks after a crash ranks these sessions. A spurious one is
        harmless.
        """
        await self._adopt()
        now = self._around.now()
        return _some(self._pending.expect(work.session_id, work.records[0].position.lane, now) for work in works)

    def offer(self, works: Sequence[Work], folded: Sequence[Folded]) -> None:
        """After the fold: what changed is ranked, what was erased is taken back, the rest is done with."""
        newest = max((record.record_time for work in works for record in work.records[-1:]), default=None)
        if newest is not None:
            self._pace.folded(self._around.now() - newest)
        self._settle(self._offer(work, entry) for work, entry in zip(works, folded, strict=True))
        self._metrics.pending.set(len(self._pending))
        if self._pending.is_ready:
            self._wake.set()
            self._rested.clear()

    def _offer(self, work: Work, entry: Folded) -> Mark | None:
        # Of a session that was left to us (a work without records), or that was erased, subscribers may not have
        # heard whatever Redis says: it may have been stored, or deleted, by a call whose answer never came.
        untold = not work.records or any(record.click is None for record in work.records)
        again = any(record.position.offset < self._again.get(record.position.lane, 0) for record in work.records)
        if again and not untold and self._is_over(entry):
            return self._pending.dismiss(entry.session_id)
        if entry.needs_ranking or ((untold or again) and entry.version > 0):
            if self._pending.offer(entry, self._metrics.stages.now()):
                self._metrics.lists.labels("coalesced").inc()
            return None
        mark = self._pending.dismiss(entry.session_id, sending=untold)
        if untold:
            self._post(entry.session_id, None)
        return mark

    async def await_stored(self, at_most_s: float) -> None:
        """Until the lists of all that was offered are stored, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await self._rested.wait()

    @property
    def model(self) -> str:
        return self._ranker.version

    @property
    def owed(self) -> int:
        """Sessions that wait for a list, as far as we know."""
        return len(self._pending)

    def _is_over(self, entry: Folded) -> bool:
        """Nobody is there to see a list. A day that is read again is full of such sessions."""
        return entry.seen + IDLE_MS < self._around.now()

    def assign(self, again: Mapping[str, int]) -> None:
        """These lanes are ours from now on; `adopt` follows, at the latest before the first fold.

        What lies below the given offset is read again, because Redis lost something. That may have been the mark of
        a list that is stored and was never published, so the lists of whoever is met there are told once more.
        """
        self._again.update(again)
        self._strange.update(again)

    def revoke(self, lanes: Iterable[str]) -> None:
        """Another owns these now, and finds our marks."""
        for lane in lanes:
            self._again.pop(lane, None)
            self._strange.discard(lane)
            self._outbox.forget(self._pending.release(lane))

    async def adopt(self) -> None:
        """Ranks what the last owners of our lanes left, also where no click comes to make us look."""
        async with self.turn:
            await self._adopt()

    async def _adopt(self) -> None:
        """Whatever bears a mark is ranked, even if its list is stored: its last owner may have died before
        it was published, and nothing but the mark tells. Hence also before any fold of the lane: a record
        delivered again changes nothing, and would seem to leave nothing to do.
        """
        while self._strange:
            await self._adopt_lane(self._strange.pop())

    async def _adopt_lane(self, lane: str) -> None:
        left = await self._patience.run("reading the pending set", lambda: self._store.pending(lane))
        if not left:
            return
        # Our marks are other than theirs, so that a zombie cannot settle what is ours to do.
        now = max([self._around.now(), *(mark.since + 1 for mark in left)])
        for at in range(0, len(left), _ADOPT_MAX):
            names = [mark.session_id for mark in left[at : at + _ADOPT_MAX]]
            marks = _some(self._pending.expect(name, lane, now) for name in names)
            self.offer([Work(name, []) for name in names], await self._read(names, marks))
            self.adopted += len(names)

    async def _read(self, names: Sequence[str], marks: Sequence[Mark]) -> list[Folded]:
        """The sessions as they are, once they are marked: to fold nothing changes nothing."""
        works = [Work(name, []) for name in names]
        return await self._patience.run("reading pending sessions", lambda: self._store.fold(works, marks))

    def miss(self, item_ids: Iterable[str]) -> None:
        """These are to be had no more: lists that are stored with one of them in it are made anew, in time."""
        self._gone.update(item_ids)
        if self._gone:
            self._missed.set()

    async def search(self) -> None:
        """Looks for what is gone in the lists that stand, until cancelled."""
        while True:
            await self._missed.wait()
            await asyncio.sleep(_GATHER_S)
            self._missed.clear()
            gone, self._gone = self._gone, set()
            # Behind the batch in flight, whose lists may hold it too.
            loop = asyncio.get_running_loop()
            self._stale |= await loop.run_in_executor(self._thread, self._standing.holding, gone)
            if self._stale:
                self._wake.set()

    async def succeed(self, ranker: Ranks) -> Ranks:
        """Every batch from now on is ranked by `ranker` alone; the one before it, when its last batch is done.

        What is stored or on its way stays as it is: a session gets the new ranker's list at its next click.
        """
        before, self._ranker = self._ranker, ranker
        await asyncio.get_running_loop().run_in_executor(self._thread, lambda: None)  # behind the batch in flight
        return before

    async def run(self) -> None:
        """Ranks what waits, and stores one batch while the next is ranked, until cancelled."""
        await asyncio.gather(self._rank_on(), self._store_on(), self._settle_on())

    async def _rank_on(self) -> None:
        """The oldest first, or when that would take too long the latest; what is stale when nothing else waits."""
        while True:
            await self._wake.wait()
            taken = await self._next()
            if not taken and self._stale:
                await self._renew()
            if not (self._pending.is_ready or self._stale):
                self._wake.clear()
            if taken:
                self._under_way += 1
                taken_s = self._metrics.stages.now()
                with self._pace.ranking(len(taken)):
                    drafts = await self._rank(taken)
                    ranked_s = self._metrics.stages.ended("rank", taken_s, len(taken))
                    await self._drafted.put((drafts, ranked_s))
            self._rest_if_done()
            await self._pace.rest(asyncio.sleep)

    async def _store_on(self) -> None:
        """No session is in two batches: until its list is stored, whatever is folded into it meanwhile waits."""
        while True:
            drafts, ranked_s = await self._drafted.get()
            await self._store_lists(drafts)
            self._metrics.stages.ended("store", ranked_s, len(drafts))
            self._under_way -= 1
            self._rest_if_done()

    def _rest_if_done(self) -> None:
        if not (self._pending.is_ready or self._under_way):
            self._rested.set()

    async def _settle_on(self) -> None:
        """Many in one go: nobody waits for it, and whoever comes after us meanwhile ranks some once more."""
        while True:
            await asyncio.sleep(_SETTLE_EVERY_S)
            await self.settle()

    async def settle(self) -> None:
        """Takes the marks off whose lists are out."""
        done, self._done = self._done, []
        if done:
            await self._patience.run("settling pending sessions", lambda: self._store.settle(done))

    async def _next(self) -> Sequence[Folded]:
        behind = self._pace.is_behind(self._pending.waiting)
        self._metrics.latest_first.set(behind)
        if behind:
            silent = self._pending.shed(self._around.now() - SILENT_MS)
            self._metrics.lists.labels("shed").inc(len(silent))
            self._settle(silent.values())
        taken = self._pending.take(self._batch_max, latest=behind)
        waiting = (self._pending.waiting_since(entry.session_id) for entry in taken)
        self._metrics.stages.each_ended("wait", waiting)
        return taken

    async def _renew(self) -> None:
        """Has some stale sessions wait like any other: they are as they were, so that their lists rise by a revision.

        Those of a lane that went are left as they are. Whoever shows a list leaves out what is gone by then.
        """
        async with self.turn:
            some = [(name, self._stale.pop(name)) for name in list(islice(self._stale, self._batch_max))]
            ours = [(name, lane) for name, lane in some if lane in self._again]
            now = self._around.now()
            marks = _some(self._pending.expect(name, lane, now) for name, lane in ours)
            self._settle(self._await_again(entry) for entry in await self._read([name for name, _ in ours], marks))

    def _await_again(self, entry: Folded) -> Mark | None:
        if entry.version == 0:  # it is over
            return self._pending.dismiss(entry.session_id)
        self._pending.offer(entry, self._metrics.stages.now())
        return None

    async def _rank(self, taken: Sequence[Folded]) -> Sequence[Draft]:
        """A few by the event loop itself: two threads of one interpreter hinder each other more than a few lists do.
        What takes longer is done beside it, so that no fold waits for a slow ranker.
        """
        taken = await self._profiles.recall(taken)
        with self._metrics.rank_seconds.time(), self._pace.making(len(taken)):
            if self._pace.is_short(len(taken)):
                return self._drafts(taken, self._ranker)
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._drafts, taken, self._ranker)

    async def _store_lists(self, drafts: Sequence[Draft]) -> None:
        stored = await self._patience.run("storing recommendations", lambda: self._store.store(drafts))
        self._settle(self._dispatch(one, answer) for one, answer in zip(drafts, stored, strict=True))
        if self._pending.is_ready:
            self._wake.set()

    def _drafts(self, taken: Sequence[Folded], ranker: Ranks) -> list[Draft]:
        """By this ranker alone, whichever is in service when it is done; each list says which it was."""
        sessions = [entry.session() for entry in taken]
        model = Model(ranker.version, ranker.counts_version)
        whole = [continued(session, entry.earlier) for entry, session in zip(taken, sessions, strict=True)]
        ranked = ranker.rank(whole, self._around.now())
        drafts = []
        for entry, session, answer in zip(taken, sessions, ranked, strict=True):
            if answer.fallback is not None:
                self._metrics.fallbacks.labels(answer.fallback).inc()
            if (trigger := session.trigger) is None:
                continue  # which is never so: the version is above 0
            self._standing.put(entry.session_id, trigger.position.lane, [item.item_id for item in answer.items])
            drafts.append(draft(entry.session_id, session, trigger, answer, model, self._around))
        return drafts

    def _dispatch(self, one: Draft, stored: Stored) -> Mark | None:
        if stored.revision is None:
            self._metrics.lists.labels(stored.refused).inc()
            return self._pending.ranked(one.session_id, sending=False)
        self._metrics.lists.labels("stored").inc()
        mark = self._pending.ranked(one.session_id, sending=True)
        # What is ranked once more answers no click.
        clicked_at = None if stored.revision else one.clicked_at
        self._post(one.session_id, revised(one.head, stored.revision), clicked_at)
        return mark

    def _post(self, session_id: str, body: bytes | None, clicked_at: int | None = None) -> None:
        record = Outgoing(self._around.recommendations, session_id.encode(), body)
        stored_s = None if body is None else self._metrics.stages.now()
        parcel = Parcel(session_id, record, self._pending.mark_of(session_id), clicked_at, stored_s)
        replaced, dropped = self._outbox.put(parcel)
        if replaced is not None:
            self.replaced(replaced)
        if dropped is not None and dropped.mark is not None:
            self._metrics.lists.labels("dropped").inc()
            self._pending.abandon(dropped.mark)

    def replaced(self, parcel: Parcel) -> None:
        """A newer list of the session took this one's place, and is on its way: nothing can be settled yet."""
        self._metrics.lists.labels("replaced").inc()
        if parcel.mark is not None:
            self._pending.sent(parcel.mark)

    def sent(self, parcels: Sequence[Parcel]) -> None:
        """Kafka has these."""
        self._metrics.lists.labels("published").inc(len(parcels))
        self._settle(self._pending.sent(parcel.mark) for parcel in parcels if parcel.mark is not None)
        self._metrics.pending.set(len(self._pending))

    def _settle(self, marks: Iterable[Mark | None]) -> None:
        self._done += _some(marks)


def _some(marks: Iterable[Mark | None]) -> list[Mark]:
    return [mark for mark in marks if mark is not None]
