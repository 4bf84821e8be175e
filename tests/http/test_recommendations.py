"""Laws of polling: what is asked for, what has changed, and what knows a click."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
import pytest
from msgspec import Meta
from prometheus_client import CollectorRegistry

from schemas import keys
from schemas.errors import NextclickError
from schemas.settings import Settings
from serving.http.app import App
from serving.http.bells import Bells
from serving.http.guard import Guard
from serving.http.lists import Made, Wanted, etag
from serving.http.metrics import Metrics
from serving.http.operations import invalid
from serving.http.problems import Refused
from serving.http.recommendations import Asked, Recommendations
from serving.http.request import Caller, Request
from serving.http.response import Response
from serving.state.gathered import Gathered
from serving.state.pipeline import Call, Reply

LANE = "0000abcd.3"
OWN = Caller(session_id="s")
STRANGER = Caller(session_id="t")


class Lists:
    """What is stored of one session, and what is made where nothing is; anybody else is answered the same."""

    def __init__(self) -> None:
        self.own: Made | None = made(b"first", 4)
        self.ranked = made(b"ranked here", 9)
        self.wanted: list[Wanted] = []
        self.changed: list[bool] = []
        #: What happens while the next look is under way.
        self.meanwhile: Callable[[], None] | None = None

    async def make(self, wanted: Wanted, *, changed: bool = False) -> Made:
        own = self._look(wanted, changed=changed) or self.ranked
        return own if wanted.session_id == "s" else made(b"popular", None, fallback="popular")

    async def stored(self, wanted: Wanted, *, changed: bool = False) -> Made | None:
        own = self._look(wanted, changed=changed)
        return own if wanted.session_id == "s" else None

    def _look(self, wanted: Wanted, *, changed: bool) -> Made | None:
        self.wanted.append(wanted)
        self.changed.append(changed)
        seen, meanwhile, self.meanwhile = self.own, self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return seen


def made(body: bytes, offset: int | None, fallback: str | None = None) -> Made:
    applied = {} if offset is None else {LANE: offset}
    return Made.of(body, "1.1.0", 1_000, "m1", fallback, applied)


class Nobody:
    """A Redis that is not asked: nobody is counted."""

    async def each(self, calls: Sequence[Call]) -> list[Reply | NextclickError]:
        raise AssertionError(calls)


class Desk:
    def __init__(self) -> None:
        self.lists, self.bells = Lists(), Bells()
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.polls = Recommendations(self.lists, self.bells, self.metrics)

    async def ask(self, known: str = "", caller: Caller = OWN, **asked: Any) -> Response:
        headers = {"if-none-match": known} if known else {}
        return await self.polls.answer(Asked(session_id="s", **asked), Request("GET", "/", headers=headers), caller)

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"nextclick_http_{name}", labels) or 0

    def store(self, new: Made) -> None:
        self.lists.own = new
        self.bells.ring(keys.fingerprint("s"))


def played(scene: Callable[[Desk], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene(Desk()))


def header(response: Response, name: str) -> str | None:
    return dict(response.headers).get(name)


def test_a_list_goes_out_with_what_tells_how_fresh_it_is() -> None:
    async def scene(desk: Desk) -> None:
        response = await desk.ask()
        assert (response.status, response.body) == (200, b"first")
        assert header(response, "ETag") == etag(b"first")
        assert header(response, "Nextclick-Version") == "1.1.0"
        assert header(response, "Nextclick-Model") == "m1"
        assert header(response, "Nextclick-Generated-At") == "1000"
        assert int(header(response, "Age") or "") > 0
        assert header(response, "Nextclick-Behind") is None

    played(scene)


@pytest.mark.parametrize("known", [etag(b"first"), f"W/{etag(b'first')}", f'"other", {etag(b"first")}'])
def test_a_client_that_has_the_list_is_told_so_and_sent_nothing(known: str) -> None:
    async def scene(desk: Desk) -> None:
        response = await desk.ask(known)
        assert (response.status, response.body) == (304, b"")
        assert header(response, "ETag") == etag(b"first")

    played(scene)


def test_a_client_that_waits_is_answered_when_the_list_changes() -> None:
    async def scene(desk: Desk) -> None:
        asking = asyncio.create_task(desk.ask(etag(b"first"), wait=20))
        await asyncio.sleep(0.05)
        assert not asking.done()
        desk.store(made(b"second", 5))
        response = await asyncio.wait_for(asking, 1.5)  # before anybody would have looked by himself
        assert (response.status, response.body) == (200, b"second")

    played(scene)


def test_a_client_that_has_another_list_does_not_wait() -> None:
    async def scene(desk: Desk) -> None:
        response = await asyncio.wait_for(desk.ask('"other"', wait=20), 1.5)
        assert response.status == 200

    played(scene)


def test_waiting_ends_with_what_the_client_has() -> None:
    async def scene(desk: Desk) -> None:
        assert (await desk.ask(etag(b"first"), wait=1)).status == 304

    played(scene)


def test_a_stranger_waits_as_the_session_does_and_hears_nothing_of_it() -> None:
    async def scene(desk: Desk) -> None:
        asking = asyncio.create_task(desk.ask(etag(b"popular"), STRANGER, wait=1))
        await asyncio.sleep(0.05)
        desk.store(made(b"second", 5))
        response = await asking
        assert (response.status, response.body) == (304, b"")
        assert {wanted.session_id for wanted in desk.lists.wanted} == {None}

    played(scene)


def test_a_click_that_the_list_knows_is_not_waited_for() -> None:
    async def scene(desk: Desk) -> None:
        response = await desk.ask(after=f"{LANE}.4")
        assert (response.body, header(response, "Nextclick-Behind")) == (b"first", None)

    played(scene)


def test_a_click_is_answered_by_the_first_list_that_knows_it() -> None:
    async def scene(desk: Desk) -> None:
        asking = asyncio.create_task(desk.ask(after=f"{LANE}.6"))
        await asyncio.sleep(0.05)
        desk.store(made(b"second", 5))
        await asyncio.sleep(0.05)
        assert not asking.done()
        desk.store(made(b"third", 6))
        response = await asyncio.wait_for(asking, 1.5)
        assert (response.body, header(response, "Nextclick-Behind")) == (b"third", None)
        assert desk.count("own_click_seconds_count") == 1
        assert desk.count("own_click_seconds_sum") >= 0.1

    played(scene)


@pytest.mark.parametrize("asks", [{"after": f"{LANE}.6"}, {"known": etag(b"first"), "wait": 20}])
def test_a_list_that_comes_while_the_first_look_is_under_way_is_not_missed(asks: dict[str, Any]) -> None:
    async def scene(desk: Desk) -> None:
        desk.lists.meanwhile = lambda: desk.store(made(b"second", 6))
        response = await asyncio.wait_for(desk.ask(**asks), 1.5)
        assert response.body == b"second"

    played(scene)


def test_what_a_list_that_knows_the_click_took_is_counted_from_the_poll_on() -> None:
    class Slow(Lists):
        async def stored(self, wanted: Wanted, *, changed: bool = False) -> Made | None:
            await asyncio.sleep(0.05)
            return await super().stored(wanted, changed=changed)

    async def scene(desk: Desk) -> None:
        polls = Recommendations(Slow(), desk.bells, desk.metrics)
        await polls.answer(Asked(session_id="s", after=f"{LANE}.4"), Request("GET", "/"), OWN)
        assert desk.count("own_click_seconds_sum") >= 0.05

    played(scene)


def test_nothing_is_ranked_here_while_the_workers_own_list_is_about_to_come() -> None:
    async def scene(desk: Desk) -> None:
        desk.lists.own = None
        asking = asyncio.create_task(desk.ask(after=f"{LANE}.6"))
        await asyncio.sleep(0.05)
        assert not asking.done()
        desk.store(made(b"the worker's", 6))
        assert (await asyncio.wait_for(asking, 1.5)).body == b"the worker's"

    played(scene)


def test_where_the_workers_list_does_not_come_one_is_ranked_here() -> None:
    async def scene(desk: Desk) -> None:
        desk.lists.own = None
        response = await desk.ask(after=f"{LANE}.6")
        assert (response.body, header(response, "Nextclick-Behind")) == (b"ranked here", None)

    played(scene)


def test_a_click_that_no_list_knows_in_time_is_answered_with_what_there_is() -> None:
    async def scene(desk: Desk) -> None:
        response = await desk.ask(after=f"{LANE}.9")
        assert (response.body, header(response, "Nextclick-Behind")) == (b"first", "1")
        assert (desk.count("behind_total"), desk.count("own_click_seconds_count")) == (1, 0)

    played(scene)


def test_whoever_waits_is_answered_when_the_process_ends() -> None:
    async def scene(desk: Desk) -> None:
        asking = asyncio.create_task(desk.ask(etag(b"first"), wait=20))
        await asyncio.sleep(0.05)
        desk.polls.draining = True
        desk.bells.ring_all()
        assert (await asyncio.wait_for(asking, 1.5)).status == 304

    played(scene)


@pytest.mark.parametrize(
    ("query", "items"),
    [
        ("exclude=a,b", ("a", "b")),
        ("exclude=a&limit=3&exclude=b", ("a", "b")),
        (urlencode([("exclude", "a,b"), ("exclude", "c")]), ("a,b", "c")),
        ("exclude=a%2Cb,c%20d+e&exclude=f", ("a,b", "c d e", "f")),
        ("&".join(f"exclude={number}" for number in range(60)), tuple(map(str, range(60)))),
        ("exclude=", ()),
        ("", ()),
    ],
)
def test_items_to_leave_out_are_given_one_by_one_or_with_commas_and_may_have_encoded_ones_in_them(
    query: str, items: tuple[str, ...]
) -> None:
    [operation] = Desk().polls.operations()
    assert operation.parse({"session_id": "s"}, query).exclude == items


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=31", "limit"), ("limit=x", "limit"), ("wait=26", "wait"), ("after=1", "after"),
     ("fields=item_id,nothing", "fields[1]"), ("placement=%20", "placement"), ("limit=1&limit=2", "limit"),
     ("exclude=a,,b", "exclude[1]"), ("exclude=a,%00", "exclude[1]"), ("exclude=%ff", "exclude"),
     ("exclude=" + ",".join(map(str, range(61))), "exclude"), ("exclude=a&exclude=%00", "exclude[1]"),
     ("&".join(f"exclude={number}" for number in range(61)), "exclude")],
)  # fmt: skip
def test_a_parameter_that_is_not_what_it_must_be_is_refused_by_name(query: str, field: str) -> None:
    [operation] = Desk().polls.operations()
    with pytest.raises(Refused) as refused:
        operation.parse({"session_id": "s"}, query)
    assert (refused.value.status, refused.value.field) == (400, field)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("limit=31", "it must be a whole number of at most 30"),
        ("limit=0", "it must be a whole number of at least 1"),
        ("limit=x", "it must be a whole number"),
        ("placement=" + "x" * 65, "it must be text of at most 64 characters"),
        ("exclude=" + "a," * 60 + "a", "it must be a list of at most 60 values"),
        ("fields=foo", "it is none of those that there are: item_id, rank, score, source, reason"),
        ("limti=3", "there is no such parameter, only: limit, placement, exclude, fields, wait, after"),
        ("session_id=t", "it is given twice, or is part of the path"),
    ],
)
def test_a_refusal_says_what_a_parameter_must_be_in_nobodys_programming_language(query: str, told: str) -> None:
    [operation] = Desk().polls.operations()
    with pytest.raises(Refused) as refused:
        operation.parse({"session_id": "s"}, query)
    assert refused.value.problem.detail == told


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        (str, 1, "it must be text"),
        (str | None, 1, "it must be text or null"),
        (bool, 1, "it must be true or false"),
        (dict[str, int], [], "it must be an object"),
        (Annotated[float, Meta(le=1)], 2, "it must be a number of at most 1.0"),
        (Annotated[list[int], Meta(min_length=2)], [1], "it must be a list of at least 2 values"),
        (Annotated[dict[str, int], Meta(max_length=1)], {"a": 1, "b": 2}, "it must be an object of at most 1 members"),
    ],
)
def test_so_does_one_of_a_body(kind: Any, given: object, told: str) -> None:
    with pytest.raises(msgspec.ValidationError) as found:
        msgspec.convert(given, kind)
    assert invalid(found.value).problem.detail == told


def test_what_is_asked_for_is_what_is_made() -> None:
    async def scene(desk: Desk) -> None:
        await desk.ask(limit=5, placement="basket", exclude=("a", "b,c"), fields=("item_id", "rank"))
        assert desk.lists.wanted == [
            Wanted("s", "basket", 5, frozenset({"a", "b,c"}), frozenset({"item_id", "rank"})),
        ]

    played(scene)


def test_whoever_is_woken_by_a_new_list_asks_for_it_whole_at_once() -> None:
    async def scene(desk: Desk) -> None:
        asking = asyncio.create_task(desk.ask(etag(b"first"), wait=20))
        await asyncio.sleep(0.01)
        desk.store(made(b"second", 5))
        assert (await asking).body == b"second"
        assert desk.lists.changed == [False, True]

    played(scene)


def test_what_a_client_waits_because_it_asks_to_is_not_counted_as_what_the_endpoint_takes() -> None:
    async def scene(desk: Desk) -> None:
        guard = Guard(Settings(security="off"), Gathered(Nobody()), desk.metrics)
        app = App(desk.polls.operations(), guard, desk.metrics)
        began = time.perf_counter()
        answer = await app(Request("GET", "/v1/recommendations/s", "wait=1", {"if-none-match": etag(b"first")}))
        waited_s = time.perf_counter() - began
        assert isinstance(answer, Response)
        assert answer.status == 304
        assert desk.count("seconds_sum", route="/v1/recommendations/{session_id}") < waited_s / 2

    played(scene)


@pytest.mark.parametrize("why", ["popular", "redis", "bundle", "busy", "nothing"])
def test_an_answer_that_lacks_a_service_or_a_list_is_counted_also_when_the_client_has_it(why: str) -> None:
    async def scene(desk: Desk) -> None:
        desk.lists.own = made(b"first", 4, fallback=why)
        assert (await desk.ask()).status == 200
        assert (await desk.ask(etag(b"first"))).status == 304
        assert desk.count("fallbacks_total", reason=why) == 2

    played(scene)


@pytest.mark.parametrize("why", ["reciprocal_rank", "not_finite", "unknown_items", "empty_session"])
def test_what_the_ranker_says_of_an_order_is_no_service_that_is_missing(why: str) -> None:
    async def scene(desk: Desk) -> None:
        desk.lists.own = made(b"first", 4, fallback=why)
        assert header(await desk.ask(), "Nextclick-Fallback") == why
        assert desk.count("fallbacks_total", reason=why) == 0

    played(scene)
