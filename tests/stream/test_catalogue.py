"""What the catalogue hides is gone from every list, with real workers between a real Kafka and a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import structs

from nextclick.sample import CATALOGUE
from schemas import recommendation
from schemas.click import Click
from schemas.item import Item, encode
from schemas.recommendation import PUBLISHED, Recommendation
from serving.state import bundles
from tests.kit import topic
from tests.kit.shop import ITEMS, Shop
from tests.kit.worker import BUNDLE
from tests.worlds import NOW, session
from training.catalogue import Catalogue


@contextmanager
def working(shop: Shop, workers: int = 1) -> Iterator[None]:
    started = [shop.worker() for _ in range(workers)]
    for worker in started:
        worker.await_assigned()
    yield
    assert [worker.stop() for worker in started] == [0] * workers


def say(shop: Shop, *items: Item | str) -> None:
    """The catalogue has it so; of a name alone, that it is deleted."""
    records = [
        (each.encode(), None) if isinstance(each, str) else (each.item_id.encode(), encode(each)) for each in items
    ]
    topic.produce(shop.settings.kafka, shop.names.catalog, [(key, value, ()) for key, value in records])


def away(item_id: str) -> Item:
    return Item(item_id=item_id, available=False)


def answered(shop: Shop, click: Click) -> Recommendation:
    """The list that is stored for a click."""
    found: list[Recommendation] = []

    def is_there() -> bool:
        stored = shop.stored(click.session_id)
        if stored is not None:
            found.append(recommendation.decode(stored.body))
        return bool(found) and found[-1].trigger.event_id == click.event_id

    topic.eventually(is_there, "the click is answered", every_s=0.02)
    return found[-1]


def ask(shop: Shop) -> list[str]:
    """What a new session is shown."""
    (click,) = shop.clicks(1, sessions=1, item_id=ITEMS[0])
    shop.send([click])
    return shown(answered(shop, click))


def shown(found: Recommendation) -> list[str]:
    return [item.item_id for item in found.items]


def held(shop: Shop, session_id: str) -> set[str]:
    """Every item of a list that is stored, published or not."""
    stored = shop.stored(session_id)
    assert stored is not None
    spares = recommendation.decode_spares(stored.more)
    return {*shown(recommendation.decode(stored.body)), *(spare.item_id for spare in spares)}


def test_what_is_hidden_or_deleted_is_gone_from_stored_lists_and_new_ones_whoever_made_them(shop: Shop) -> None:
    with working(shop, workers=2):
        # given: lists of both workers
        clicks = shop.clicks(24, sessions=24)
        shop.send(clicks)
        first = {click.session_id: shown(answered(shop, click)) for click in clicks}
        before = {name: held(shop, name) for name in first}
        hidden, deleted, spare = first[clicks[0].session_id][1], first[clicks[1].session_id][0], "nobody has it"
        gone = {hidden, deleted}

        # when
        say(shop, away(hidden), deleted, away(spare))

        # then
        topic.eventually(lambda: not any(gone & held(shop, name) for name in first), "no stored list holds them")
        for name in first:
            stored = shop.stored(name)
            assert stored is not None
            assert stored.triple[1:] == (1, 1 if gone & before[name] else 0), "what held neither stays as it was"
        assert all(not gone.intersection(ask(shop)) for _ in range(8))
        newest = {each.session_id: each for each in shop.lists()}
        assert not any(gone.intersection(shown(each)) for each in newest.values()), "subscribers are told"
        assert all(len(each.items) == PUBLISHED for each in newest.values())


def test_an_item_that_returns_is_a_candidate_again_and_records_that_say_nothing_of_any_item_stop_nobody(
    shop: Shop,
) -> None:
    with working(shop):
        best = ask(shop)
        nonsense = [(b"lamp", b"\x00 no json", ()), (b"\xff", None, ()), (b"a", encode(Item(item_id="b")), ())]
        topic.produce(shop.settings.kafka, shop.names.catalog, nonsense)
        say(shop, *map(away, best[:3]))
        topic.eventually(lambda: not {*best[:3]}.intersection(ask(shop)), "they are gone")

        say(shop, *(Item(item_id=item_id) for item_id in best[:3]))

        topic.eventually(lambda: ask(shop) == best, "all is as it was")


def test_nothing_is_ranked_before_the_catalogue_is_read_to_its_end(shop: Shop) -> None:
    # given: what a worker does not see that begins to rank too early
    [answer] = bundles.load(BUNDLE).rank([session([ITEMS[0]])], NOW)
    best = [item.item_id for item in answer.items]
    say(shop, *(Item(item_id=f"other-{number}") for number in range(20_000)))
    say(shop, *map(away, best[:5]), *best[5:10])
    clicks = shop.clicks(40, sessions=40, item_id=ITEMS[0])
    shop.send(clicks)

    # when
    worker = shop.worker()
    worker.await_assigned()
    lists = [shown(answered(shop, click)) for click in clicks]

    # then
    assert not any({*best[:10]}.intersection(each) for each in lists)
    said = worker.said()
    assert said.index("the catalogue is read: 20010 entries") < said.index("assigned: ["), "others work meanwhile"
    assert worker.stop() == 0


def test_what_is_new_is_recommended_without_training_and_what_changes_is_in_the_reasons(shop: Shop) -> None:
    with working(shop, workers=2):
        # given: an item, and another of which the catalogue says just the same
        goods = {item.item_id: item for item in Catalogue(CATALOGUE)}
        twin = structs.replace(goods[ITEMS[0]], item_id="a-new-one")
        assert twin.item_id not in ask(shop)

        # when
        say(shop, twin, structs.replace(goods[ITEMS[0]], title="A thing renamed"))

        # then
        topic.eventually(lambda: twin.item_id in ask(shop), "a session that looks at the one is shown the other")
        (click,) = shop.clicks(1, sessions=1, item_id=twin.item_id)
        shop.send([click])
        found = answered(shop, click)
        assert found.fallback is None, "to look at it tells as much as to look at any"
        assert len(found.items) == PUBLISHED
        topic.eventually(lambda: any("A thing renamed" in text for text in reasons(shop)), "it is called so")

        # and when
        say(shop, twin.item_id)

        # then
        topic.eventually(lambda: twin.item_id not in held(shop, click.session_id), "it is gone as any other")


def reasons(shop: Shop) -> list[str]:
    (click,) = shop.clicks(1, sessions=1, item_id=ITEMS[0])
    shop.send([click])
    return [item.reason.text for item in answered(shop, click).items]
