"""Plays an event log into the clickstream, as if it happened now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from nextclick.producer import ClickProducer
from nextclick.schedule import Due, Pace, plan
from nextclick.stops import Stopped
from nextclick.terminal import console, say
from schemas import click as wire
from schemas.click import Click
from schemas.errors import KafkaError
from schemas.settings import Settings
from schemas.topics import Topics

#: Waits shorter than this cost more than they are worth: the event goes out early by less.
_NAP_S: Final = 0.001
#: The longest sleep at a stretch, so that in a log with long silences a refusal is noticed.
_NAP_MAX_S: Final = 1.0
#: How long Ctrl-C waits for what is under way.
_STOP_S: Final = 5.0
_REDRAW_S: Final = 0.1

Show = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Played:
    """How a replay went."""

    events: int
    seconds: float
    #: The longest that an event went out after it was due.
    late_s: float
    #: Partition -> events.
    spread: dict[int, int]

    @property
    def rate(self) -> float:
        return self.events / self.seconds if self.seconds else 0.0

    def report(self) -> dict[str, object]:
        return {**asdict(self), "events_per_second": round(self.rate, 1)}

    def __str__(self) -> str:
        shares = ", ".join(f"{partition}: {events}" for partition, events in sorted(self.spread.items()))
        return (
            f"{self.events} events in {self.seconds:.1f} s, {self.rate:.0f} a second, "
            f"at most {self.late_s * 1000:.0f} ms late; by partition {shares or 'none'}"
        )


def replay(settings: Settings, clicks: Iterable[Click], pace: Pace, limit: int | None = None) -> Played:
    """Every event of the log, or its first `limit`, once into Kafka; KafkaError when any did not arrive."""
    topic = Topics.named(settings.topic_prefix).clickstream
    with ClickProducer(settings, topic) as producer, _progress(limit) as show:
        start_s, late_s = time.monotonic(), 0.0

        def played() -> Played:
            spread = dict(sorted(producer.spread.items()))
            return Played(producer.delivered, round(time.monotonic() - start_s, 3), round(late_s, 3), spread)

        try:
            for due in plan(islice(clicks, limit), pace, round(time.time() * 1000)):
                late_s = max(late_s, _await(due, start_s, producer))
                producer.send(due.click.session_id.encode(), wire.encode(due.click))
                show(producer.sent)
            producer.drain()
        except Stopped:
            producer.drain(_STOP_S)
            say(f"stopped early: {played()}")
            raise
        except KafkaError as error:
            producer.settle()
            counted = f"at least {producer.delivered} of {producer.sent} events were delivered"
            raise KafkaError(f"{counted}; {error}") from error
        return played()


def _await(due: Due, start_s: float, producer: ClickProducer) -> float:
    """Until the event is due; how late it is."""
    while (wait_s := start_s + due.after_s - time.monotonic()) > _NAP_S:
        producer.look()
        time.sleep(min(wait_s, _NAP_MAX_S))
    return max(0.0, -wait_s)


@contextmanager
def _progress(total: int | None) -> Iterator[Show]:
    """A bar for the person who watches; nothing in a pipe."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield lambda sent: None
        return
    columns = (TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TextColumn("events"), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        task, drawn_s = bar.add_task("replay", total=total), 0.0

        def show(sent: int) -> None:
            nonlocal drawn_s
            if time.monotonic() - drawn_s > _REDRAW_S:
                drawn_s = time.monotonic()
                bar.update(task, completed=sent)

        yield show
