"""Clicks that keep coming until something has happened to a worker, and what came of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from schemas.click import Click
from tests.kit import topic
from tests.kit.shop import Shop
from tests.kit.worker import Worker

_WITHIN_S: Final = 120.0
#: Between two handfuls, so that on a quick broker too clicks come before, while and after something happens.
_PACE_S: Final = 0.1
#: More than anything here lasts.
_HANDFULS_MAX: Final = 2_000


class Flow:
    """A session clicks again with each fifth handful; `handfuls` come before it happens."""

    def __init__(self, shop: Shop, *module: str, handful: int = 10, handfuls: int = 10) -> None:
        self.shop = shop
        self._handful = handful
        self._handfuls = handfuls
        self._planned = shop.clicks(_HANDFULS_MAX * handful, sessions=5 * handful)
        self._sent = 0
        self.worker = shop.worker(*module)
        self.worker.await_assigned()

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """What happens within happens between two clicks of every session."""
        over = threading.Event()
        sender = threading.Thread(target=self._send, args=[over])
        sender.start()
        try:
            self.await_more()
            yield
            assert self._sent < len(self._planned), "all had been sent before it happened, which proves nothing"
        finally:
            over.set()
            sender.join()

    def _send(self, over: threading.Event) -> None:
        while self._sent < len(self._planned) and not over.wait(_PACE_S):
            self.shop.send(self._planned[self._sent : self._sent + self._handful])
            self._sent += self._handful

    @property
    def sent(self) -> list[Click]:
        return self._planned[: self._sent]

    def await_more(self) -> None:
        """As many as come before it happens are folded again."""
        goal = self.shop.folded(self._planned) + self._handful * self._handfuls
        topic.eventually(lambda: self.shop.folded(self._planned) >= goal, f"{goal} events are folded", _WITHIN_S)

    def await_successor(self, *told: str) -> Worker:
        """The worker ends with 70, having said why, and another takes its place."""
        assert self.worker.await_end(_WITHIN_S) == 70
        said = self.worker.said()
        assert all(word in said for word in told), said
        self.worker = self.shop.worker()
        return self.worker

    def await_recovered(self) -> None:
        self.await_caught_up()
        self.await_whole()
        self.await_told()

    def await_caught_up(self) -> None:
        """Each partition has come to what is sent now, and so past all that was sent before."""
        last = self.shop.clicks(40, sessions=40)
        self.shop.send(last)
        topic.eventually(partial(self.shop.has_folded, last, 40), "the last clicks are folded", _WITHIN_S)

    def await_whole(self) -> None:
        topic.eventually(
            lambda: self.shop.sessions_that_differ() == [], "every session is the fold of the topic", _WITHIN_S
        )

    def await_told(self) -> None:
        """Each session's list for the last of its clicks is on the topic."""
        last = set(Counter(click.session_id for click in self.sent).items())
        topic.eventually(lambda: self._told() >= last, "everybody's last list is out", _WITHIN_S)

    def _told(self) -> set[tuple[str, int]]:
        return {(each.session_id, each.session_version) for each in self.shop.lists(_WITHIN_S)}
