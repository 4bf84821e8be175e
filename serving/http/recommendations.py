"""GET /v1/recommendations/{session_id}: the session's list, at once, when it changes, or when it knows a click.

limit, placement, exclude, fields    what the list is to be
If-None-Match                        304 while it is the one that the client has
wait                                 with that: answered when it no longer is, or 304 at the end
after                                the position of a click: answered by the first list that knows it
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from schemas.recommendation import PUBLISHED, Reason, Recommendation
from schemas.wire import ItemId, SessionId
from serving.http.begun import its_turn
from serving.http.bells import Bell, Bells
from serving.http.lists import Lists, Made, Wanted
from serving.http.metrics import Metrics
from serving.http.operations import Excluded, Operation
from serving.http.request import Caller, Request
from serving.http.response import Response

T = TypeVar("T")

#: For the list that knows a click; a worker that is not there must not keep a page from showing anything.
_AFTER_S: Final = 2.0
_WAIT_MAX_S: Final = 25
_POSITION: Final = r"^[0-9a-f]{8}\.[0-9]{1,9}\.[0-9]{1,18}$(?!\n)"
_NOTHING: Final[frozenset[str]] = frozenset()

HEEDS: Final = {"If-None-Match": "The ETag of the list that the client has."}
BEARS: Final = {
    "ETag": "Of exactly the bytes that are answered.",
    "Age": "Seconds since the list was made.",
    "Nextclick-Generated-At": "When it was, in epoch milliseconds.",
    "Nextclick-Model": "The model that ranked it.",
    "Nextclick-Version": "session_started.session_version.revision; of a session's lists the greatest is the newest.",
    "Nextclick-Fallback": "Why the list is not the session's own newest.",
    "Nextclick-Behind": "1: the list does not know the click that `after` names, and it took too long to wait for it.",
}

ItemField = Literal["item_id", "rank", "score", "source", "reason"]
Placement = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters."""

    session_id: SessionId
    limit: Annotated[int, Meta(ge=1, le=PUBLISHED, description="At most so many items.")] = PUBLISHED
    placement: Annotated[Placement, Meta(description="Whose rules the list is to keep.")] = "default"
    exclude: Excluded = ()
    fields: Annotated[
        tuple[ItemField, ...],
        Meta(max_length=16, description="Of each item only these, given as `exclude` is."),
    ] = ()
    wait: Annotated[
        int,
        Meta(
            ge=0, le=_WAIT_MAX_S, description="Seconds to wait for another list than the one that If-None-Match names."
        ),
    ] = 0
    after: (
        Annotated[
            str,
            Meta(
                pattern=_POSITION,
                description="The position of an event that was posted: waits, 2 s at most, for a list that knows it. "
                "Name a click: an impression, or an event that was sent before, brings no list.",
            ),
        ]
        | None
    ) = None


class Chosen(msgspec.Struct, frozen=True, omit_defaults=True):
    """An item; with `fields`, only what these name of it."""

    item_id: ItemId | UnsetType = UNSET
    rank: Annotated[int, Meta(ge=1, le=PUBLISHED)] | UnsetType = UNSET
    score: float | UnsetType = UNSET
    source: str | UnsetType = UNSET
    reason: Reason | UnsetType = UNSET


#: A recommendation as the topic has it, but that of its items less may be told.
Answered: Final = msgspec.defstruct(
    "Recommendation",
    [
        (each.name, tuple[Chosen, ...] if each.name == "items" else each.type)
        for each in msgspec.structs.fields(Recommendation)
    ],
    tag_field="schema",
    tag=Recommendation.__struct_config__.tag,
    frozen=True,
)


class Recommendations:
    def __init__(
        self, lists: Lists, bells: Bells, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lists = lists
        self._bells = bells
        self._metrics = metrics
        self._clock = clock
        #: No one waits any more: the process ends.
        self.draining = False

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/v1/recommendations/{session_id}",
                "The session's recommendations",
                Asked,
                self.answer,
                answers={200: Answered, 304: None},
                description="Always a list: of a session that nobody knows, or that the token is not for, what is "
                "popular, and `fallback` says so.\n\nAsk again with If-None-Match and the ETag that came:"
                " while the list is the same, 304 and no body. With `wait` as well the answer comes when "
                "the list changes. With `after` and the position of an event that was posted, the list "
                "knows that event, or Nextclick-Behind says that it does not yet.",
                asks_at_once=True,
                heeds=HEEDS,
                bears=BEARS,
            )
        ]

    async def answer(self, asked: Asked, request: Request, caller: Caller) -> Response:
        wanted = _wanted(asked, caller)
        known = request.headers.get("if-none-match", "")
        if wanted.session_id is None:
            await its_turn()
        if asked.after is None and not asked.wait:
            return self._response(await self._lists.make(wanted), known)
        # Heard from before the first look on. A session that is not the caller's is waited for all the same, so that
        # its being there does not show.
        with self._bells.heard(asked.session_id) as bell:
            made, behind = None, False
            if asked.after is not None:
                made, behind = await self._after(asked.after, wanted, bell)
            if made is None or (asked.wait and matches(known, made)):
                made = await self._wait(
                    lambda changed: self._lists.make(wanted, changed=changed),
                    lambda made: not matches(known, made),
                    bell,
                    asked.wait,
                )
            return self._response(made, known, bell.waited_s, behind=behind)

    async def _after(self, position: str, wanted: Wanted, bell: Bell) -> tuple[Made, bool]:
        """The first list of the worker's that knows the click; in time, else the best that there is, which may not."""
        lane, _, offset = position.rpartition(".")
        asked_s = self._clock()

        def knows(made: Made | None) -> bool:
            return made is not None and made.knows(lane, int(offset))

        # Nothing is ranked here meanwhile: the worker's list is about to come, and is the one that subscribers get.
        made = await self._wait(lambda changed: self._lists.stored(wanted, changed=changed), knows, bell, _AFTER_S)
        if made is None or not knows(made):
            made = await self._lists.make(wanted)
        behind = not knows(made)
        if behind:
            self._metrics.behind.inc()
        else:
            self._metrics.own_click_seconds.observe(self._clock() - asked_s)
        return made, behind

    async def _wait(
        self, look: Callable[[bool], Awaitable[T]], enough: Callable[[T], bool], bell: Bell, at_most_s: float
    ) -> T:
        """The first that is enough, else the last. `look` is told whether there probably is another than before."""
        until = self._clock() + at_most_s
        with self._metrics.waiting.track_inprogress():
            found = await look(False)
            while not enough(found) and (left := until - self._clock()) > 0 and not self.draining:
                found = await look(await bell.wait(left))
        return found

    def _response(self, made: Made, known: str, waited_s: float = 0.0, *, behind: bool = False) -> Response:
        headers = (*made.headers, ("Age", str(_age_s(made))))
        if behind:
            headers += (("Nextclick-Behind", "1"),)
        self._metrics.fell_back(made.fallback)
        if matches(known, made):
            self._metrics.unchanged.inc()
            return Response(304, headers=headers, waited_s=waited_s)
        return Response(200, made.body, headers=headers, waited_s=waited_s)


def matches(known: str, made: Made) -> bool:
    """Whether If-None-Match names it; a weak name does as well."""
    return bool(known) and made.etag in (tag.strip().removeprefix("W/") for tag in known.split(","))


def _wanted(asked: Asked, caller: Caller) -> Wanted:
    return Wanted(
        asked.session_id if caller.may_see(asked.session_id) else None,
        asked.placement,
        asked.limit,
        frozenset(asked.exclude) if asked.exclude else _NOTHING,
        frozenset[str](asked.fields) if asked.fields else _NOTHING,
    )


def _age_s(made: Made) -> int:
    return max(0, int(time.time()) - made.generated_at // 1000)
