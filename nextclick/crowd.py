"""Many shoppers at once, out of recorded sessions, for as long as anybody watches. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import count
from typing import Final

from msgspec.structs import replace

from schemas.click import Click

_ID_BYTES: Final = 12


def crowd(sessions: Sequence[Sequence[Click]], at_once: int) -> Iterator[Click]:
    """The shoppers take turns, `at_once` of them; whoever is done makes room for the next recorded one.

    Without end: after the last session the first comes again, each time with ids never seen before.
    """
    newcomers = _newcomers(sessions)
    present = deque(next(newcomers) for _ in range(at_once))
    while True:
        shopper = present.popleft()
        yield shopper.popleft()
        present.append(shopper or next(newcomers))


def _newcomers(sessions: Sequence[Sequence[Click]]) -> Iterator[deque[Click]]:
    for again in count():
        for session in sessions:
            yield deque(_fresh(click, again) for click in session)


def _fresh(click: Click, again: int) -> Click:
    if again == 0:
        return click
    event_id = blake2b(f"{again}/{click.event_id}".encode(), digest_size=_ID_BYTES).hexdigest()
    return replace(click, session_id=f"{click.session_id}-{again}", event_id=event_id)
