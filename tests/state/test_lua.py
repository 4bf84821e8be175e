"""The fold in Lua and the fold in Python are one."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from functools import cache
from random import Random

import pytest

from schemas import facts, keys
from schemas.session import Outcome, Record
from schemas.settings import RedisUrl
from serving.state.pipeline import Call, Pipeline
from serving.state.sessions import SessionStore, Work
from tests.kit.stores import REAL, Stores, reference
from tests.worlds.histories import batches, history

#: The services are shared: every run keeps to session ids of its own.
RUN = secrets.token_hex(4)


@dataclass(frozen=True)
class Play:
    """2,500 histories, how they are cut into batches, and what one thread of Python makes of them."""

    cut: dict[str, list[list[Record]]]
    outcomes: dict[str, list[Outcome]]
    stored: dict[str, dict[bytes, bytes]]


@cache
def play_of(seed: int) -> Play:
    random = Random(seed)
    names = [f"{RUN}-{seed}-{n}" for n in range(2_500)]
    histories = {name: history(random, name, random.choice((1, 5, 20, 60))) for name in names}
    references = {name: reference(records) for name, records in histories.items()}
    return Play(
        {name: list(batches(random, records)) for name, records in histories.items()},
        {name: outcomes for name, (_, outcomes) in references.items()},
        {name: facts.encode(state.session) if state.session else {} for name, (state, _) in references.items()},
    )


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.chaos) for seed in (1, 2, 3))])
@pytest.mark.parametrize("kind", REAL)
def test_lua_and_python_fold_to_equal_bytes(request: pytest.FixtureRequest, kind: str, seed: int) -> None:
    """P5: 10,000 random histories on each kind of Redis, 2,500 a seed, of which `make test` plays the first."""
    stores = Stores(kind, request.getfixturevalue(f"redis_{kind}"))
    play = play_of(seed)

    async def folded(store: SessionStore) -> tuple[dict[str, list[Outcome]], dict[str, dict[bytes, bytes]]]:
        outcomes: dict[str, list[Outcome]] = {name: [] for name in play.cut}
        last: dict[str, dict[bytes, bytes]] = {}
        for turn in range(max(map(len, play.cut.values()))):
            works = [Work(name, parts[turn]) for name, parts in play.cut.items() if turn < len(parts)]
            for at in range(0, len(works), 500):
                for answer in await store.fold(works[at : at + 500]):
                    outcomes[answer.session_id] += answer.outcomes
                    last[answer.session_id] = dict(answer.facts)
        return outcomes, last

    outcomes, last = stores.run(folded)
    stored = asyncio.run(hashes(stores.url or "", list(play.cut)))

    assert outcomes == play.outcomes
    assert stored == play.stored
    assert last == play.stored
    assert {outcome for each in outcomes.values() for outcome in each} == set(Outcome), "all that can happen, did"


async def hashes(url: str, session_ids: list[str]) -> dict[str, dict[bytes, bytes]]:
    """The hashes as Redis holds them, not as our decoder sees them."""
    pipeline = Pipeline(RedisUrl(url))
    try:
        replies = await pipeline.run([Call(("HGETALL", keys.session(name))) for name in session_ids])
    finally:
        await pipeline.close()
    return {name: reply for name, reply in zip(session_ids, replies, strict=True) if isinstance(reply, dict)}
