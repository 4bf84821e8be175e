"""Sends letters back to the clickstream, each once, and follows their events into the sessions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from nextclick.dead.choice import Choice
from nextclick.dead.fate import foresee
from nextclick.dead.ledger import Ledger
from nextclick.dead.letterbox import Found, Letterbox
from nextclick.dead.mended import Mended
from nextclick.dead.parcel import Parcel, pack
from nextclick.dead.tally import Tally
from nextclick.dead.tide import Tide
from nextclick.dead.watch import Watch
from nextclick.producer import ClickProducer
from nextclick.stops import Stopped
from nextclick.terminal import say
from schemas.click import Click, Erase
from schemas.errors import DataError, ServiceError
from schemas.letter import Source
from schemas.session import Position, Record, State

#: Returns the records as Kafka took them, in the same order.
Send = Callable[[Sequence[Parcel]], list[Record]]


class Replay:
    """One run over the letters there are now. What it has not come to, however it ends, is left to the next."""

    def __init__(self, box: Letterbox, ledger: Ledger, choice: Choice, mended: Mended, *, again: bool = False) -> None:
        self._box = box
        self._ledger = ledger
        self._choice = choice
        self._mended = mended
        self._again = again
        self._met: set[Source] = set()
        self._sent: set[Source] = set()
        self.tally = Tally()

    def run(self, send: Send, watch: Watch) -> None:
        """For each batch of letters:

        1. The sessions are read as they are before.
        2. The events are sent, and Kafka has confirmed each.
        3. The letters are remembered as sent back.
        4. The group's offset moves up to the first letter that is still to be sent back.
        5. The events are followed, for as long as the workers get on.

        A crash before 3 has letters sent twice: both events bear the same id, of which the fold takes one.
        A crash before 4 leaves an offset that is too low: what lies above it is remembered.
        """
        tide = Tide(self._box.marks())
        try:
            for batch in self._box.batches():
                done = self._ledger.sent_back(batch, tide.marks)
                parcels = self._pick(batch, done)
                before = self._sessions(parcels)  # 1
                records = send(parcels)  # 2
                self._remember(parcels)  # 3
                if tide.rise(batch, partial(self._is_back, done)):  # 4
                    self._box.commit(tide.marks)
                watch.follow(before, records)  # 5
        except (ServiceError, Stopped):
            say(f"stopped early: {self.tally}; run it again, which goes on where it stopped")
            raise
        self.tally.fates = watch.end()
        self._miss()

    def rehearse(self, now: int) -> None:
        """Counts what a run would do if Kafka took everything `now`; changes nothing."""
        marks = self._box.marks()
        for batch in self._box.batches():
            parcels = self._pick(batch, self._ledger.sent_back(batch, marks))
            self.tally.sent += len(parcels)
            # On a lane that no session has been on, so that no guard stands in the way.
            records = [Record(parcel.event, now, Position("", 0, at)) for at, parcel in enumerate(parcels)]
            self.tally.fates.update(sent.foreseen for sent in foresee(self._sessions(parcels), records))
        self._miss()

    def _pick(self, batch: Sequence[Found], done: Collection[Source]) -> list[Parcel]:
        """What of it is to be sent; the rest is counted by why it is not."""
        parcels = []
        for letter in filter(None, map(self._choice.of, batch)):
            if letter.source in self._met:
                continue
            self._met.add(letter.source)
            self.tally.letters += 1
            if letter.source in done and not self._again:
                self.tally.before += 1
                continue
            try:
                parcels.append(pack(letter, self._mended))
            except DataError as error:
                self.tally.refuse(letter, error)
        return parcels

    def _sessions(self, parcels: Sequence[Parcel]) -> dict[str, State]:
        return self._ledger.states({parcel.event.session_id for parcel in parcels})

    def _remember(self, parcels: Sequence[Parcel]) -> None:
        sources = [parcel.source for parcel in parcels]
        self._ledger.remember(sources)
        self._sent.update(sources)
        self.tally.sent += len(sources)

    def _is_back(self, done: Collection[Source], source: Source) -> bool:
        return source in done or source in self._sent

    def _miss(self) -> None:
        met = {source.coordinates for source in self._met}
        self.tally.missing = sorted(set(self._choice.named or ()) - met)


def sender(producer: ClickProducer, epoch: str) -> Send:
    """Kafka has confirmed everything when the call returns; KafkaError when it has not."""

    def send(parcels: Sequence[Parcel]) -> list[Record]:
        records: list[Record] = []
        for parcel in parcels:
            placed = partial(_placed, records, parcel.event, epoch)
            producer.send(parcel.key, parcel.value, parcel.headers, placed)
        producer.drain()
        return records

    return send


def _placed(records: list[Record], event: Click | Erase, epoch: str, partition: int, offset: int, time: int) -> None:
    records.append(Record(event, time, Position(epoch, partition, offset)))
