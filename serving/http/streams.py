"""GET /v1/recommendations/{session_id}/stream: every new list of a session as a server-sent event.

One stream serves all placements of a page, since a browser opens six connections at most. Each list is an
event; the last of those that came together bears the id of all, so that a client that comes back with it is
sent nothing that it has.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from hashlib import blake2b
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from schemas.wire import SessionId
from serving.http.bells import Bells
from serving.http.lists import Made, Makes, Wanted
from serving.http.metrics import Metrics
from serving.http.operations import Operation
from serving.http.placements import Placements
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.http.response import Stream

MEDIA_TYPE: Final = "text/event-stream; charset=utf-8"
_PING_S: Final = 15.0
#: A client comes back by itself, and then shows its token anew.
_LIFE_S: Final = 3_600.0
_RETRY: Final = b"retry: 2000\n\n"
_PING: Final = b": ping\n\n"
_BYE: Final = b"event: bye\ndata: {}\n\n"
_PLACEMENTS: Final = r"^[A-Za-z0-9_-]{1,64}(,[A-Za-z0-9_-]{1,64}){0,7}$(?!\n)"


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters."""

    session_id: SessionId
    placement: Annotated[str, Meta(pattern=_PLACEMENTS, description="Up to 8 placements, separated by commas.")] = (
        "default"
    )
    key: Annotated[str, Meta(max_length=256, description="The site key: a browser's EventSource sets no header.")] = ""
    token: Annotated[str, Meta(max_length=1_024, description="The session's token, for the same reason.")] = ""


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of them, as a browser takes it in."""

    event: Literal["recommendations", "bye"]
    data: Annotated[
        str,
        Meta(
            description="JSON: what a poll answers; of `bye`, nothing.",
            extra_json_schema={"contentMediaType": "application/json"},
        ),
    ]
    id: Annotated[str, Meta(description="Of all the lists that the client then has.")] = ""


class Streams:
    def __init__(
        self,
        lists: Makes,
        bells: Bells,
        placements: Placements,
        metrics: Metrics,
        streams_max: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lists = lists
        self._bells = bells
        self._placements = placements
        self._metrics = metrics
        self._streams_max = streams_max
        self._clock = clock
        self._open = 0
        #: Clients are told to come back, which they do at another process.
        self.draining = False

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/v1/recommendations/{session_id}/stream",
                "The session's recommendations, and each that follows",
                Asked,
                self.answer,
                answers={200: Event},
                description="Server-sent events: `recommendations`, whose data is what a poll answers, one for each "
                "placement at first and then for each that changes; `bye` when the process ends. Of those that come "
                "together the last bears an id, which stands for all lists of the stream; with one placement it is the "
                "list's ETag without its quotes. A browser's EventSource comes back by itself, and names it.",
                heeds={"Last-Event-ID": "The last event that the client has; nothing is sent while it is the newest."},
                is_stream=True,
                media_type=MEDIA_TYPE,
            )
        ]

    async def answer(self, asked: Asked, request: Request, caller: Caller) -> Stream:
        if self._open >= self._streams_max or self.draining:
            raise Refused(503, "unavailable", "poll instead, or come back", headers=(("Retry-After", "2"),))
        session_id = asked.session_id if caller.may_see(asked.session_id) else None
        # What is wrong is said before the 200: a browser comes back to a stream that breaks off, again and again.
        placements = [self._placements.named(name) for name in dict.fromkeys(asked.placement.split(","))]
        wanted = [Wanted(session_id, placement.name) for placement in placements]
        return Stream(self._events(asked.session_id, wanted, request.headers.get("last-event-id", "")))

    async def _events(self, session_id: str, wanted: Sequence[Wanted], known: str) -> AsyncGenerator[bytes, None]:
        self._open += 1
        self._metrics.streams.set(self._open)
        try:
            with self._bells.heard(session_id) as bell:
                yield _RETRY
                sent: dict[str, str] = {}
                changed = False
                until = self._clock() + _LIFE_S
                spoke = self._clock()
                while not self.draining and self._clock() < until:
                    made = [(each.placement, await self._lists.make(each, changed=changed)) for each in wanted]
                    name = _name([one for _, one in made])
                    fresh = [(placement, one) for placement, one in made if sent.get(placement) != one.etag]
                    if fresh and name != known:
                        for _, one in fresh:
                            self._metrics.fell_back(one.fallback)
                        yield _told(fresh, name)
                        spoke = self._clock()
                    elif self._clock() - spoke >= _PING_S:
                        yield _PING
                        spoke = self._clock()
                    sent, known = {placement: one.etag for placement, one in made}, ""
                    changed = await bell.wait(_PING_S)
                yield _BYE
        finally:
            self._open -= 1
            self._metrics.streams.set(self._open)


def _name(made: Sequence[Made]) -> str:
    """Of all the lists that a client has; of one, its ETag."""
    tags = [one.etag.strip('"') for one in made]
    return tags[0] if len(tags) == 1 else blake2b(" ".join(tags).encode(), digest_size=12).hexdigest()


def _told(fresh: Sequence[tuple[str, Made]], name: str) -> bytes:
    *others, last = (b"data: %b\n\n" % made.body for _, made in fresh)
    heads = [b"event: recommendations\n"] * len(others) + [b"event: recommendations\nid: %b\n" % name.encode()]
    return b"".join(part for pair in zip(heads, [*others, last], strict=True) for part in pair)
