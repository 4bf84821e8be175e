"""The contract of the session store, held by the one in memory and by every kind of Redis.

Laws of the fold itself are in tests/schemas/test_session.py, of what Redis alone can break in test_redis.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.click import Click, Erase
from schemas.recommendation import revised
from schemas.session import IDLE_MS, Outcome, Position, Record, Session, State
from schemas.wire import EpochMs
from serving.state.sessions import Mark, SessionStore, Work
from serving.state.watermarks import Held, Watermark, Word
from tests.kit.stores import LANE, REAL, Stores, click, draft, erase, reference
from tests.worlds.histories import START_MS


@pytest.fixture(params=["memory", *REAL])
def stores(request: pytest.FixtureRequest) -> Stores:
    kind: str = request.param
    return Stores(kind, None if kind == "memory" else request.getfixturevalue(f"redis_{kind}"))


def test_a_fold_answers_the_session_it_leaves(stores: Stores, sid: str) -> None:
    records = [click(sid, 1), click(sid, 2, "sofa", "cart"), click(sid, 3, "sofa", "purchase")]

    (folded,) = stores.run(lambda store: store.fold([Work(sid, records)]))
    kept = stores.run(lambda store: store.read(sid))

    state, outcomes = reference(records)
    assert folded.outcomes == tuple(outcomes)
    assert folded.session() == state.session
    assert kept == state
    assert folded.needs_ranking


def test_what_is_delivered_again_changes_nothing(stores: Stores, sid: str) -> None:
    records = [click(sid, n, f"item{n}") for n in range(10)]
    stores.run(lambda store: store.fold([Work(sid, records)]))
    before = stores.run(lambda store: store.read(sid))

    (again,) = stores.run(lambda store: store.fold([Work(sid, records[3:])]))

    assert set(again.outcomes) == {Outcome.STALE}
    assert stores.run(lambda store: store.read(sid)) == before
    assert again.needs_ranking, "nothing new, but the list for it was never stored"


def test_the_last_64_event_ids_are_known_and_none_before_them(stores: Stores, sid: str) -> None:
    first = [click(sid, offset) for offset in range(65)]
    twins = [replace(first[at], position=Position("0badcafe", 0, 100 - at)) for at in (1, 0)]
    stores.run(lambda store: store.fold([Work(sid, first)]))

    (folded,) = stores.run(lambda store: store.fold([Work(sid, twins)]))

    assert folded.outcomes == (Outcome.DUPLICATE, Outcome.APPLIED)


def test_many_sessions_fold_in_one_call_and_keep_apart(stores: Stores, sid: str) -> None:
    works = [Work(f"{sid}-{n}", [click(f"{sid}-{n}", n, f"item{n}")]) for n in range(50)]

    folded = stores.run(lambda store: store.fold(works))

    assert [entry.session_id for entry in folded] == [work.session_id for work in works]
    assert [entry.session().recent[0].item_id for entry in folded] == [f"item{n}" for n in range(50)]


def test_a_list_is_stored_once_a_version_and_revised_after_that(stores: Stores, sid: str) -> None:
    (folded,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
    session = folded.session()

    first = stores.run(lambda store: store.store([draft(sid, session)]))
    second = stores.run(lambda store: store.store([draft(sid, session)]))
    kept = stores.run(lambda store: store.recommendation(sid))

    assert [first[0].revision, second[0].revision] == [0, 1]
    assert kept is not None
    assert kept.triple == (START_MS, 1, 1)
    assert kept.body == revised(b'{"revision":', 1)
    assert kept.applied == {LANE: 1}
    (folded,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
    assert not folded.needs_ranking


def test_a_list_for_an_older_state_never_replaces_a_newer_one(stores: Stores, sid: str) -> None:
    (old,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
    (new,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 2)])]))
    stores.run(lambda store: store.store([draft(sid, new.session(), b"new")]))

    (stored,) = stores.run(lambda store: store.store([draft(sid, old.session(), b"old")]))

    assert stored.refused == "older"
    kept = stores.run(lambda store: store.recommendation(sid))
    assert kept is not None
    assert kept.body == b"new0}"


def test_a_list_for_a_session_that_is_gone_is_refused(stores: Stores, sid: str) -> None:
    session = reference([click(sid, 1)])[0].session or Session()

    (stored,) = stores.run(lambda store: store.store([draft(sid, session)]))

    assert stored.refused == "gone"


def test_erasing_leaves_a_marker_and_nothing_else(stores: Stores, sid: str) -> None:
    (folded,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1), click(sid, 2)])]))
    stores.run(lambda store: store.store([draft(sid, folded.session())]))

    (gone,) = stores.run(lambda store: store.fold([Work(sid, [erase(sid, 3)])]))

    assert gone.outcomes == (Outcome.ERASED,)
    assert not gone.facts
    assert not gone.needs_ranking
    assert stores.run(lambda store: store.recommendation(sid)) is None
    state = stores.run(lambda store: store.read(sid))
    assert state.session is None
    assert state.erased is not None


def test_neither_replay_nor_a_late_list_brings_an_erased_session_back(stores: Stores, sid: str) -> None:
    records = [click(sid, 1), click(sid, 2), erase(sid, 3)]
    (before,) = stores.run(lambda store: store.fold([Work(sid, records[:2])]))
    stores.run(lambda store: store.fold([Work(sid, records[2:])]))

    (again,) = stores.run(lambda store: store.fold([Work(sid, records)]))
    (stored,) = stores.run(lambda store: store.store([draft(sid, before.session())]))

    assert again.outcomes == (Outcome.FORGOTTEN, Outcome.FORGOTTEN, Outcome.STALE)
    assert stored.refused == "gone"
    assert stores.run(lambda store: store.read(sid)).session is None


def test_a_list_of_before_the_erasure_is_refused_by_a_session_begun_in_the_same_millisecond(
    stores: Stores, sid: str
) -> None:
    (before,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
    anew = Click(event_id="new", session_id=sid, type="view", ts=EpochMs(START_MS + 1), item_id="sofa")
    after = [erase(sid, 2), Record(anew, START_MS, Position("0badcafe", 0, 3))]
    stores.run(lambda store: store.fold([Work(sid, after)]))

    (stored,) = stores.run(lambda store: store.store([draft(sid, before.session())]))

    assert stored.refused == "erased"


def test_an_erasure_holds_also_where_the_session_has_come_to_lie_on_another_partition(stores: Stores, sid: str) -> None:
    """Once the topic was given more. The shopper's clock is fast, so that the click seems to be newer than it is."""
    fast = Click(event_id="e1", session_id=sid, type="view", ts=EpochMs(START_MS + 60_000), item_id="lamp")
    before = [erase(sid, 1), Record(fast, START_MS, Position("0badcafe", 0, 2))]
    erasure = Record(Erase(sid), START_MS + 1_000, Position("0badcafe", 1, 7))
    since = replace(click(sid, 8, now=START_MS + 2_000), position=Position("0badcafe", 1, 8))
    stores.run(lambda store: store.fold([Work(sid, [*before, erasure])]))

    (again,) = stores.run(lambda store: store.fold([Work(sid, before)]))
    (returned,) = stores.run(lambda store: store.fold([Work(sid, [since])]))
    (once_more,) = stores.run(lambda store: store.fold([Work(sid, before)]))

    assert again.outcomes == (Outcome.STALE, Outcome.FORGOTTEN)
    assert returned.outcomes == (Outcome.APPLIED,)
    assert once_more.outcomes == (Outcome.STALE, Outcome.FORGOTTEN), "nor does an older erasure take what is newer"
    assert once_more.version == 1


def test_a_list_for_an_earlier_incarnation_is_refused(stores: Stores, sid: str) -> None:
    (before,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
    stores.run(lambda store: store.fold([Work(sid, [click(sid, 2, now=START_MS + IDLE_MS + 1)])]))

    (stored,) = stores.run(lambda store: store.store([draft(sid, before.session())]))

    assert stored.refused == "gone"


def test_a_session_leaves_the_pending_set_only_by_its_newest_mark(stores: Stores, sid: str) -> None:
    lane = f"{sid[-8:]}.0"
    first, second, other = Mark(lane, sid, 10), Mark(lane, sid, 20), Mark(lane, sid + "x", 15)
    stores.run(lambda store: store.fold([], [first, other]))
    stores.run(lambda store: store.fold([], [second]))

    stores.run(lambda store: store.fold([], [first]))
    stores.run(lambda store: store.settle([first]))
    assert stores.run(lambda store: store.pending(lane)) == [other, second]

    stores.run(lambda store: store.settle([second, other]))
    assert stores.run(lambda store: store.pending(lane)) == []


MARK, LATER = Watermark(41, START_MS), Watermark(99, START_MS + 5)


def test_whoever_claims_a_lane_finds_what_its_last_owner_wrote(stores: Stores, sid: str) -> None:
    lane, silent = f"{sid[-8:]}.0", f"{sid[-8:]}.1"

    async def play(store: SessionStore) -> None:
        assert await store.claim(await store.survey([lane]), {lane: MARK}, "first")
        assert await store.advance({lane: LATER}, "first") == {lane: Held.MOVED}

        found = await store.survey([lane, silent])

        assert set(found.words[lane]) == {Word(LATER, holds=True)}
        assert set(found.words[silent]) == {None}
        assert await store.claim(found, {lane: MARK, silent: MARK}, "second")
        assert set((await store.survey([silent])).words[silent]) == {Word(MARK, holds=True)}

    stores.run(play)


def test_a_watermark_is_moved_by_its_owner_alone(stores: Stores, sid: str) -> None:
    """A zombie's is ahead of a store that was emptied and is being filled again."""
    lane = f"{sid[-8:]}.0"

    async def play(store: SessionStore) -> None:
        await store.claim(await store.survey([lane]), {lane: LATER}, "zombie")
        await store.claim(await store.survey([lane]), {lane: MARK}, "owner")

        assert await store.advance({lane: LATER}, "zombie") == {lane: Held.FOREIGN}
        assert set((await store.survey([lane])).words[lane]) == {Word(MARK, holds=True)}

    stores.run(play)


def test_a_lane_is_not_claimed_on_an_outdated_survey(stores: Stores, sid: str) -> None:
    lane = f"{sid[-8:]}.0"

    async def play(store: SessionStore) -> None:
        outdated = await store.survey([lane])
        await store.claim(outdated, {lane: LATER}, "another")

        assert not await store.claim(outdated, {lane: MARK}, "late")
        assert set((await store.survey([lane])).words[lane]) == {Word(LATER, holds=True)}

    stores.run(play)


def test_a_watermark_that_nobody_claimed_is_not_moved_but_missed(stores: Stores, sid: str) -> None:
    lane = f"{sid[-8:]}.0"

    assert stores.run(lambda store: store.advance({lane: MARK}, "owner")) == {lane: Held.GONE}
    assert set(stores.run(lambda store: store.survey([lane])).words[lane]) == {None}


def test_what_is_discarded_is_folded_anew(stores: Stores, sid: str) -> None:
    kept, erased = sid + "x", sid + "y"
    works = [Work(name, [click(name, 1), click(name, 2)]) for name in (sid, kept)]
    stores.run(lambda store: store.fold([*works, Work(erased, [click(erased, 1), erase(erased, 2)])]))
    (folded,) = stores.run(lambda store: store.fold([works[0]]))
    stores.run(lambda store: store.store([draft(sid, folded.session())]))

    stores.run(lambda store: store.discard([sid, erased]))

    assert stores.run(lambda store: store.read(sid)) == State()
    assert stores.run(lambda store: store.recommendation(sid)) is None
    assert stores.run(lambda store: store.read(erased)).erased is not None, "what was forgotten stays forgotten"
    again = stores.run(lambda store: store.fold(works))
    assert [set(entry.outcomes) for entry in again] == [{Outcome.APPLIED}, {Outcome.STALE}]
