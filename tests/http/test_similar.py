"""Items like an item, over HTTP: whose session has a say, what is in no list, and when an answer is the same."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import cache

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from nextclick.sample import BUNDLE
from schemas.errors import RedisError
from schemas.item import Entry, Item
from schemas.placement import Placement
from schemas.session import Session
from schemas.settings import RedisUrl
from schemas.similar import SimilarItems
from serving.http.metrics import Metrics
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.http.response import Response
from serving.http.similar import Reads, SimilarProducts
from serving.ranking.assortment import Assortment, Stocked
from serving.ranking.ranker import Ranker
from serving.ranking.rules import Rules
from serving.ranking.table import Table
from serving.state import bundles
from serving.state.gathered import Gathered
from serving.state.pipeline import Pipeline
from serving.state.readings import Readings, Remembered
from serving.state.redis import RedisSessionStore
from serving.state.sessions import Work
from tests.kit.stores import click, draft
from tests.worlds import NOW, session

PLACES = {
    "default": Placement.default(),
    "calm": Placement(name="calm", similar_share=0.0),
    "keen": Placement(name="keen", similar_share=1.0, limit=5),
}


@cache
def bundle() -> Ranker:
    return bundles.load(BUNDLE)


def some() -> list[str]:
    return list(bundle().table.ids)[5:1_000:50]


@dataclass
class Shelf:
    assortment: Assortment = field(default_factory=lambda: Assortment(bundle()))
    grown: int = 0

    @property
    def stocked(self) -> Stocked:
        return self.assortment.stocked

    @property
    def edition(self) -> tuple[int, int]:
        return self.grown, self.stocked.absent.changes

    def take(self, *entries: Entry) -> None:
        self.assortment.take(entries)
        if self.assortment.outgrown:
            self.assortment.grow()
            self.grown += 1


class Places:
    def named(self, name: str) -> Placement:
        return PLACES[name]

    def rules(self, of: Placement, table: Table) -> Rules:
        return Rules(of, table)


@dataclass
class Sessions:
    known: dict[str, Remembered] = field(default_factory=dict)
    fails: bool = False

    async def remembered(self, session_id: str) -> Remembered:
        if self.fails:
            raise RedisError("it is away")
        return self.known.get(session_id, Remembered(None, None, ""))


@dataclass
class Api:
    readings: Reads = field(default_factory=Sessions)
    shelf: Shelf = field(default_factory=Shelf)
    caller: Caller = field(default_factory=lambda: Caller(session_id="own"))

    def __post_init__(self) -> None:
        metrics = Metrics(CollectorRegistry())
        [self.operation] = SimilarProducts(self.shelf, self.readings, Places(), metrics, lambda: NOW).operations()

    async def ask(self, item_id: str, query: str = "", etag: str = "") -> Response:
        headers = {"if-none-match": etag} if etag else {}
        asked = self.operation.parse({"item_id": item_id}, query)
        answer = await self.operation.answer(asked, Request("GET", "", headers=headers), self.caller)
        assert isinstance(answer, Response)
        return answer

    def get(self, item_id: str, query: str = "", etag: str = "") -> Response:
        return asyncio.run(self.ask(item_id, query, etag))


def read(answer: Response) -> SimilarItems:
    return msgspec.json.decode(answer.body, type=SimilarItems)


def ids(answer: Response) -> list[str]:
    return [item.item_id for item in read(answer).items]


def tag(answer: Response) -> str:
    return dict(answer.headers)["ETag"]


def remembered(shopper: Session) -> Remembered:
    [ranked] = bundle().rank([shopper], NOW)
    return Remembered(shopper, ranked.vector, f"{shopper.version} {bundle().version}")


def test_a_plain_list_is_the_same_bytes_whoever_asks_and_304_to_who_has_it() -> None:
    # given
    api = Api()
    first = api.get(some()[0])

    # then
    assert (first.status, len(ids(first))) == (200, 30)
    assert not read(first).personal
    assert api.get(some()[0]).body == Api().get(some()[0]).body == first.body
    again = api.get(some()[0], etag=tag(first))
    assert (again.status, again.body, tag(again)) == (304, b"", tag(first))
    assert api.get(some()[1], etag=tag(first)).status == 200


def test_a_session_that_the_token_is_not_for_tells_nothing_of_itself() -> None:
    # given
    api = Api(Sessions({name: remembered(session(some()[:4])) for name in ("own", "foreign")}))
    plain = api.get(some()[0])

    # then: there or not
    foreign, absent = (api.get(some()[0], f"session_id={name}") for name in ("foreign", "nobody"))
    assert (foreign.body, foreign.headers) == (absent.body, absent.headers) == (plain.body, plain.headers)
    assert api.get(some()[0], "session_id=own").body != plain.body


def test_the_own_session_has_its_say_and_none_of_its_items_in_the_list() -> None:
    # given
    shopper = replace(session(some()[:4]), cart=(some()[5],), bought=(some()[6],))
    api = Api(Sessions({"own": remembered(shopper)}))

    # when
    answers = {place: api.get(some()[0], f"session_id=own&placement={place}") for place in PLACES}

    # then
    assert {place: read(answer).personal for place, answer in answers.items()} == {
        "default": True, "calm": False, "keen": True,
    }  # fmt: skip
    assert ids(answers["calm"])[:5] != ids(answers["keen"])
    assert len(ids(answers["keen"])) == 5
    for answer in answers.values():
        assert {*some()[:4], some()[5], some()[6]}.isdisjoint(ids(answer))


def test_a_stored_vector_of_another_model_or_version_is_not_used() -> None:
    # given
    shopper = session(some()[:4])
    [other] = bundle().rank([session(some()[10:14])], NOW)
    right = remembered(shopper)
    tags = [f"{shopper.version} another", f"{shopper.version + 1} {bundle().version}", ""]

    # when
    query = "session_id=own&placement=keen"
    expected = ids(Api(Sessions({"own": replace(right, vector=None)})).get(some()[0], query))
    got = [ids(Api(Sessions({"own": Remembered(shopper, other.vector, each)})).get(some()[0], query)) for each in tags]
    believed = ids(Api(Sessions({"own": replace(right, vector=other.vector)})).get(some()[0], query))

    # then
    assert got == [expected] * 3
    assert believed != expected


def test_what_an_answer_bears_is_told_of() -> None:
    api, without = Api(), Api(Sessions(fails=True))
    plain = api.get(some()[0])
    answers = plain, api.get(some()[0], etag=tag(plain)), without.get(some()[0], "session_id=own")
    borne = {name for answer in answers for name, _ in answer.headers}
    assert borne - {"Cache-Control"} == set(api.operation.bears)


def test_what_is_excluded_hidden_or_deleted_is_gone_at_once_and_back_at_once() -> None:
    # given
    api = Api()
    first = api.get(some()[0])
    one, two, three = ids(first)[:3]

    # when
    api.shelf.take(Entry(one, None), Entry(two, Item(item_id=two, available=False)))
    after = api.get(some()[0], f"exclude={three},unheard%2Cof")

    # then
    assert {one, two, three}.isdisjoint(ids(after))
    assert {one, two}.isdisjoint(ids(api.get(some()[0])))
    assert len(ids(after)) == 30


def test_an_item_that_came_today_has_a_list_and_is_in_those_of_its_like() -> None:
    # given
    api = Api()
    table = bundle().table
    [at] = table.find([some()[0]]).tolist()
    code = int(table.categories[at])
    new = Item(item_id="new", title=table.title(at), category=table.category(code) if code >= 0 else ())
    with pytest.raises(Refused, match="no such item"):
        api.get("new")

    # when
    api.shelf.take(Entry("new", new))

    # then
    assert len(ids(api.get("new"))) == 30
    assert "new" in ids(api.get(some()[0]))


def test_an_item_that_nobody_knows_is_404() -> None:
    with pytest.raises(Refused) as refused:
        Api().get("nobody-knows-it")
    assert (refused.value.status, refused.value.field) == (404, "item_id")


def test_without_redis_the_list_is_plain_and_says_so() -> None:
    answer = Api(Sessions(fails=True)).get(some()[0], "session_id=own")
    assert (answer.status, read(answer).fallback, read(answer).personal) == (200, "redis", False)
    assert ids(answer) == ids(Api().get(some()[0]))
    assert dict(answer.headers)["Nextclick-Fallback"] == "redis"


def test_without_a_bundle_there_is_an_answer_that_says_so() -> None:
    answer = Api(shelf=Shelf(Assortment(Ranker.empty()))).get("anything")
    assert (answer.status, ids(answer), read(answer).fallback) == (200, [], "bundle")
    assert dict(answer.headers)["Nextclick-Fallback"] == "bundle"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=31", "limit"),
        ("limit=many", "limit"),
        ("session_id=a%20b", "session_id"),
        ("placement=", "placement"),
        ("exclude=" + ",".join(map(str, range(61))), "exclude"),
        ("item_id=other", "item_id"),
        ("unknown=1", ""),
    ],
)
def test_what_is_wrong_is_named(query: str, field: str) -> None:
    with pytest.raises(Refused) as refused:
        Api().get(some()[0], query)
    assert (refused.value.status, refused.value.field) == (400, field)


def test_a_limit_cuts_the_same_list() -> None:
    assert ids(Api().get(some()[0], "limit=7")) == ids(Api().get(some()[0]))[:7]


@pytest.mark.parametrize("redis_url", ["server", "embedded", "cluster"], indirect=True)
def test_what_a_worker_stored_is_what_an_answer_is_made_of(redis_url: str) -> None:
    # given
    session_id = secrets.token_hex(8)
    seen = some()[:3]

    async def work(pipeline: Pipeline) -> None:
        store = RedisSessionStore(RedisUrl(redis_url))
        try:
            records = [click(session_id, at, item) for at, item in enumerate(seen)]
            await store.fold([Work(session_id, records)])
            shopper = (await store.read(session_id)).session
            assert shopper is not None
            told = remembered(shopper)
            [foreign] = bundle().rank([session(some()[10:14])], NOW)
            api = Api(Readings(Gathered(pipeline)), caller=Caller(session_id=session_id))
            query = f"session_id={session_id}&placement=keen"

            # when
            encoded = await api.ask(some()[0], query)
            await store.store([replace(draft(session_id, shopper), vector=told.vector, vector_tag=told.tag)])
            recalled = await api.ask(some()[0], query)
            await store.store([replace(draft(session_id, shopper), vector=foreign.vector, vector_tag=told.tag)])
            changed = await api.ask(some()[0], query)
        finally:
            await store.close()

        # then
        assert read(encoded).personal
        assert set(ids(encoded)) == set(ids(recalled))
        assert ids(changed) != ids(recalled)
        assert set(seen).isdisjoint(ids(encoded) + ids(recalled) + ids(changed))

    with_redis(redis_url, work)


def with_redis(url: str, work: Callable[[Pipeline], Awaitable[None]]) -> None:
    async def whole() -> None:
        pipeline = Pipeline(RedisUrl(url))
        try:
            await work(pipeline)
        finally:
            await pipeline.close()

    asyncio.run(whole())
