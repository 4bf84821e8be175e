"""The hot loop: take what is queued, in order, mark, fold, acknowledge; ranking follows behind."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from schemas.session import Outcome
from schemas.topics import Topics
from serving.state.patience import Patience
from serving.state.sessions import Folded, Mark, SessionStore, Work
from stream import dead
from stream.course import Course
from stream.intake import Delivery, Intake, Letter, read_batch
from stream.metrics import Metrics
from stream.outbox import Sends
from stream.profiles import Profiles
from stream.ranking import Ranking
from stream.watermarks import Watermarks

log = logging.getLogger(__name__)

#: What a shop's engineers would want to know of, and may do something about.
_REMARKABLE: Final = frozenset({Outcome.LATE, Outcome.DUPLICATE})
#: For so long the next fold waits at most until the lists of the last are stored. Whoever folds beside the ranking
#: takes the interpreter from it; and what comes meanwhile makes a larger batch, of which each event costs less.
_LEAVE_S: Final = 0.02


class Loop:
    """One a worker. Nothing in it waits for a batch to fill, and nothing waits for the ranker."""

    def __init__(
        self,
        queue: asyncio.Queue[Delivery],
        course: Course,
        store: SessionStore,
        profiles: Profiles,
        watermarks: Watermarks,
        ranking: Ranking,
        producer: Sends,
        patience: Patience,
        names: Topics,
        epoch: str,
        metrics: Metrics,
        batch_max: int,
    ) -> None:
        self._queue = queue
        self._course = course
        self._store = store
        self._profiles = profiles
        self._watermarks = watermarks
        self._ranking = ranking
        self._producer = producer
        self._patience = patience
        self._names = names
        self._epoch = epoch
        self._metrics = metrics
        self._batch_max = batch_max
        self._remarked: set[str] = set()
        #: When the batch in hand was taken.
        self._taken_s = 0.0

    async def run(self) -> None:
        """Until cancelled, or until Redis or Kafka have been away for longer than the budget.

        1. Nothing may be missing before any of them: a guard set past an event would hide that event for ever.
        2. Which sessions are to be marked as pending, so that a crash from here on leaves them to be ranked.
        3. The marks, and then one guarded, atomic fold a session, and one a user. What comes again changes nothing.
        4. Letters to the dead: what cannot be folded is in Kafka's hands before it leaves ours.
        5. Only now are the events acknowledged, in the order of their offsets: an offset that is committed
           names a state that Redis has confirmed. The highest acknowledged one is committed, so an event
           acknowledged early would be an event lost.
        6. Ranking takes over, and while more waits than fits a batch, the next is folded beside it.
        """
        while True:
            taken = await self._take()
            async with self._ranking.turn:
                batch = await self._course.follow(taken)  # 1
                intake = read_batch(batch, self._epoch)
                marks = await self._ranking.expect(intake.works)  # 2
                folded = await self._fold(intake, marks)  # 3
                begun = await self._profiles.remember(intake.users)
                await self._bury(intake.letters)  # 4
                for delivery in batch:  # 5
                    delivery.ack()
                self._watermarks.folded(batch, intake.works, begun)
                self._ranking.offer(intake.works, folded)  # 6
            self._count(len(batch), folded, intake)
            if len(taken) < self._batch_max:
                await self._ranking.await_stored(_LEAVE_S)

    async def _take(self) -> list[Delivery]:
        """What came in while the last batch was in flight; at least one."""
        batch = [await self._queue.get()]
        while len(batch) < self._batch_max and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        self._metrics.stages.each_ended("queue", (delivery.record_time / 1000 for delivery in batch))
        self._taken_s = self._metrics.stages.now()
        return batch

    async def _fold(self, intake: Intake, marks: Sequence[Mark]) -> list[Folded]:
        with self._metrics.fold_seconds.time():
            return await self._patience.run("folding", lambda: self._store.fold(intake.works, marks))

    async def _bury(self, letters: Sequence[Letter]) -> None:
        if letters:
            records = dead.letters(letters, self._names)
            await self._patience.run("sending dead letters", lambda: self._producer.send(records))

    def _count(self, events: int, folded: Sequence[Folded], intake: Intake) -> None:
        self._metrics.batch.observe(events)
        self._metrics.stages.ended("fold", self._taken_s, events)
        for (kind, outcome), count in Counter(_fates(intake.works, folded)).items():
            self._metrics.events.labels(kind, outcome.name.lower()).inc(count)
            if outcome in _REMARKABLE:
                self._remark(outcome.name.lower())
        for letter in intake.letters:
            self._metrics.dead.labels(letter.reason).inc()
            self._remark(f"dead letters ({letter.reason})")

    def _remark(self, kind: str) -> None:
        """Once a worker's life: the metrics count, but not everybody watches them."""
        if kind not in self._remarked:
            self._remarked.add(kind)
            log.warning("there are events that are not folded: %s; the metrics count them", kind)


def _fates(works: Sequence[Work], folded: Sequence[Folded]) -> Iterator[tuple[str, Outcome]]:
    """Of each event its type, and what the fold did with it."""
    for work, entry in zip(works, folded, strict=True):
        for record, outcome in zip(work.records, entry.outcomes, strict=True):
            yield "erase" if record.click is None else record.click.type, outcome
