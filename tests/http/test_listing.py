"""A list is made of the best there is, is the same bytes until something changes, and never of two bundles."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from schemas import recommendation
from schemas.item import Entry, Item
from schemas.placement import Placement
from schemas.recommendation import PUBLISHED, Model, Recommendation, TriggeredBy
from schemas.session import Position, Session, Trigger
from serving.http.lists import Made, Wanted
from serving.http.problems import Refused
from serving.http.turns import Turns
from serving.ranking.ranker import RECIPROCAL
from serving.state.readings import Held, Remembered
from tests import worlds
from tests.http.counter import Counter
from tests.kit.bundles import publish
from tests.kit.patience import until
from tests.worlds import NOW, name

FRESH = Placement(name="fresh", hide=frozenset({"seen", "bought", "cart", "shown"}), limit=8)
NARROW = Placement(name="narrow", per_brand=1, per_category=1)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "bundle"
    publish(made, worlds.shelves(200))
    return made


def play(bundle: Path, script: Callable[[Counter], Awaitable[None]], turns: Turns | None = None) -> None:
    async def whole() -> None:
        counter = Counter(bundle, {"fresh": FRESH, "narrow": NARROW}, turns)
        async with counter.running():
            await script(counter)

    asyncio.run(whole())


def someone(*items: int) -> Session:
    trigger = Trigger("e", NOW, NOW, Position("0badcafe", 0, 5))
    clicked = worlds.session([name(item) for item in items])
    return replace(clicked, version=len(items), trigger=trigger, guards={"0badcafe.0": 5})


def hold(counter: Counter, session_id: str, session: Session) -> Held:
    """As a worker would have left it."""
    [ranked] = counter.shelf.stocked.rank([session], NOW)
    model = Model(counter.shelf.stocked.version, "c")
    body = Recommendation(
        recommendation_id="r",
        session_id=session_id,
        session_started=session.started,
        session_version=session.version,
        generated_at=NOW,
        trigger=TriggeredBy.of(session.trigger, "clickstream"),
        model=model,
        items=ranked.items[:PUBLISHED],
        revision=2,
    )
    triple = f"{session.started}.{session.version}.2"
    encoded, spares = recommendation.encode(body), recommendation.spares(ranked.items)
    held = Held(triple, encoded, spares, {"0badcafe.0": 5}, NOW, model, None)
    counter.redis.lists[session_id] = held
    counter.redis.sessions[session_id] = Remembered(session, None, "")
    return held


def items(made: Made) -> list[str]:
    return [each.item_id for each in recommendation.decode(made.body).items]


def test_a_plain_list_is_the_stored_bytes_in_one_read(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        held = hold(counter, "s1", someone(10, 11))
        made = await counter.lists.make(Wanted("s1"))
        assert made.body is held.body
        assert (made.triple, made.fallback, made.knows("0badcafe.0", 5)) == (held.triple, None, True)
        assert counter.redis.asked == 1
        assert (await counter.lists.make(Wanted("s1"))) is made

    play(bundle, script)


def test_an_item_that_is_gone_is_gone_from_the_stored_list_and_the_etag_is_another(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        hold(counter, "s1", someone(10, 11))
        before = await counter.lists.make(Wanted("s1"))
        best = items(before)[0]
        counter.topic.there.append(Entry(best, None))
        await until(lambda: counter.shelf.stocked.gone([best]) == {best})
        after = await counter.lists.make(Wanted("s1"))
        assert best not in items(after)
        assert len(items(after)) == PUBLISHED
        assert (after.etag != before.etag, after.triple) == (True, before.triple)

    play(bundle, script)


def test_where_most_of_the_stored_list_is_gone_others_take_its_place(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        hold(counter, "s1", someone(10, 11))
        stored = [each.item_id for each in counter.shelf.stocked.rank([someone(10, 11)], NOW)[0].items]
        counter.topic.there += [Entry(each, None) for each in stored[:45]]
        await until(lambda: len(counter.shelf.stocked.gone(stored)) == 45)
        found = items(await counter.lists.make(Wanted("s1")))
        assert len(found) == PUBLISHED
        assert not set(stored[:45]) & set(found)

    play(bundle, script)


def test_seen_bought_in_the_cart_and_shown_are_gone_at_once_where_a_placement_asks_for_it(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        hold(counter, "s1", someone(10, 11))
        wanted = Wanted("s1", "fresh")
        first = items(await counter.lists.make(wanted))
        assert len(first) == 8
        assert not {name(10), name(11)} & set(first)

        facts = replace(someone(10, 11), bought=(first[0],), cart=(first[1],), shown=(first[2],))
        counter.redis.sessions["s1"] = Remembered(facts, None, "")  # no version of its own: it only was shown
        then = items(await counter.lists.make(wanted))
        assert not {*first[:3], name(10), name(11)} & set(then)
        assert then[:5] == first[3:], "what is left keeps its order"

    play(bundle, script)


def test_where_rules_leave_too_little_it_is_ranked_on_demand_and_stays_the_same_bytes(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        hold(counter, "s1", someone(10, 11))
        stored = {each.item_id for each in counter.shelf.stocked.rank([someone(10, 11)], NOW)[0].items}
        wanted = Wanted("s1", exclude=frozenset(stored) - {name(10)})
        made = await counter.lists.make(wanted)
        assert len(items(made)) == PUBLISHED
        assert not set(wanted.exclude) & set(items(made))
        assert made.triple == f"{NOW}.2.2"
        assert (await counter.lists.make(wanted)).body == made.body, "or nobody could ever be told 304"
        assert counter.metrics.registry.get_sample_value("nextclick_http_lists_total", {"source": "ranked"}) == 1

    play(bundle, script)


def test_a_session_without_a_list_is_ranked_when_it_is_asked_for(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        counter.redis.sessions["s1"] = Remembered(someone(10), None, "")
        made = await counter.lists.make(Wanted("s1"))
        body = recommendation.decode(made.body)
        assert (body.session_id, body.session_version, body.fallback) == ("s1", 1, RECIPROCAL)
        assert (made.triple, made.knows("0badcafe.0", 5)) == (f"{NOW}.1.0", True)

    play(bundle, script)


def test_whoever_waits_for_what_the_worker_stored_is_given_that_and_nothing_else(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        counter.redis.sessions["s1"] = Remembered(someone(10), None, "")
        for wanted in (Wanted("s1"), Wanted("s1", "fresh"), Wanted("s2"), Wanted(None)):
            assert await counter.lists.stored(wanted) is None
        assert counter.count("nextclick_http_lists_total", source="ranked") == 0
        held = hold(counter, "s1", someone(10))
        for wanted in (Wanted("s1"), Wanted("s1", limit=3)):
            assert await counter.lists.stored(wanted) == await counter.lists.make(wanted)
        counter.redis.good["s1"], counter.redis.away = held, True
        last_good = await counter.lists.stored(Wanted("s1"))
        assert last_good is not None
        assert last_good.fallback == "redis"
        assert await counter.lists.stored(Wanted("s2")) is None

    play(bundle, script)


def test_where_more_is_to_be_ranked_than_can_be_a_session_that_clicked_is_told_so(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        counter.redis.sessions["s1"] = Remembered(someone(10), None, "")
        made = await counter.lists.make(Wanted("s1"))
        assert (made.fallback, len(items(made))) == ("busy", PUBLISHED)
        assert (await counter.lists.make(Wanted("s2"))).fallback == "popular"
        hold(counter, "s1", someone(10, 11))
        left = await counter.lists.make(Wanted("s1", exclude=frozenset(items(made))))
        assert (left.fallback, left.triple) == (None, f"{NOW}.2.2"), "what is stored stands, however little is left"

    play(bundle, script, Turns(waiting_max=0))


def test_without_a_bundle_a_session_without_a_list_is_shown_what_the_catalogue_offers(tmp_path: Path) -> None:
    async def script(counter: Counter) -> None:
        counter.redis.sessions["s1"] = Remembered(someone(10), None, "")
        made = await counter.lists.make(Wanted("s1"))
        assert made.fallback == "bundle"
        counter.topic.there.append(Entry("a", Item(item_id="a")))
        await until(lambda: counter.shelf.offered == ["a"])
        assert items(await counter.lists.make(Wanted("s1"))) == ["a"]

    play(tmp_path / "none", script)


def test_the_unknown_the_erased_and_the_forbidden_are_answered_alike(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        hold(counter, "s1", someone(10))
        forbidden = await counter.lists.make(Wanted(None))
        unknown = await counter.lists.make(Wanted("s2"))
        assert forbidden == unknown
        for wanted in (Wanted("s2", "fresh"), Wanted("s2", limit=3, exclude=frozenset({name(0)}))):
            assert await counter.lists.make(wanted) == await counter.lists.make(
                msgspec.structs.replace(wanted, session_id=None)
            )

    play(bundle, script)


def test_without_redis_the_last_good_list_goes_out_and_then_the_popular_one(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        held = hold(counter, "s1", someone(10, 11))
        counter.redis.good["s1"], counter.redis.away = held, True
        made = await counter.lists.make(Wanted("s1"))
        assert (items(made), made.fallback, made.triple) == (
            [each.item_id for each in recommendation.decode(held.body).items], "redis", held.triple
        )  # fmt: skip
        assert recommendation.decode(made.body).fallback == "redis"
        stranger = await counter.lists.make(Wanted("s2"))
        assert (len(items(stranger)), stranger.fallback) == (PUBLISHED, "redis")
        counter.redis.away = False
        assert (await counter.lists.make(Wanted("s1"))).body is held.body

    play(bundle, script)


def test_without_redis_what_a_placement_hides_stays_hidden_by_what_was_known(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        held = hold(counter, "s1", someone(10, 11))
        first = [each.item_id for each in recommendation.decode(held.body).items]
        facts = replace(someone(10, 11), bought=(first[0],), cart=(first[1],))
        counter.redis.good["s1"], counter.redis.away = held, True
        counter.redis.known["s1"] = Remembered(facts, None, "")
        made = await counter.lists.make(Wanted("s1", "fresh"))
        assert made.fallback == "redis"
        assert not {*first[:2], name(10), name(11)} & set(items(made))
        assert set(first[:2]) <= set(items(await counter.lists.make(Wanted("s1")))), "where nothing is to be hidden"

    play(bundle, script)


def test_fields_are_all_that_is_told_of_an_item(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        held = hold(counter, "s1", someone(10, 11))
        made = await counter.lists.make(Wanted("s1", fields=frozenset({"item_id", "rank"})))
        whole = msgspec.json.decode(made.body)
        assert [each["item_id"] for each in whole["items"]] == [
            each.item_id for each in recommendation.decode(held.body).items
        ]
        assert all(set(each) == {"item_id", "rank"} for each in whole["items"])
        assert whole["revision"] == 2

    play(bundle, script)


def test_caps_hold_also_where_too_few_are_left(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        hold(counter, "s1", someone(10, 11))
        assert 1 <= len(items(await counter.lists.make(Wanted("s1", "narrow")))) <= 2

    play(bundle, script)


def test_a_placement_that_the_shop_does_not_have_is_refused(bundle: Path) -> None:
    async def script(counter: Counter) -> None:
        with pytest.raises(Refused) as refused:
            await counter.lists.make(Wanted("s1", "nowhere"))
        assert (refused.value.status, refused.value.field) == (400, "placement")

    play(bundle, script)
