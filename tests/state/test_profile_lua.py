"""A profile folded in Lua and one folded in Python are one, whichever order each had its records in."""

from __future__ import annotations

import asyncio
import secrets
from random import Random

import pytest

from schemas import keys, traits
from schemas.profile import Profile, fold
from schemas.session import Outcome
from schemas.settings import RedisUrl
from serving.state.pipeline import Call, Pipeline
from serving.state.profiles import Traces
from serving.state.sessions import SessionStore
from tests.kit.stores import REAL, Stores
from tests.worlds.users import interleaved, lane

RUN = secrets.token_hex(4)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.chaos) for seed in (1, 2, 3))])
@pytest.mark.parametrize("kind", REAL)
def test_lua_and_python_fold_profiles_to_equal_bytes(request: pytest.FixtureRequest, kind: str, seed: int) -> None:
    stores = Stores(kind, request.getfixturevalue(f"redis_{kind}"))
    random = Random(seed)
    # The last two would close or open the braces of a hash tag.
    names = [f"{RUN}-{kind}-{seed}-{n}{odd}" for n, odd in enumerate([""] * 98 + ["}", "{"])]
    held = {
        name: [lane(random, name, partition, random.choice((1, 5, 60, 200))) for partition in range(3)]
        for name in names
    }
    expected: dict[str, dict[bytes, bytes]] = {}
    for name, lanes in held.items():
        profile = Profile()
        for each in (each for traces in lanes for each in traces):
            profile, _ = fold(profile, each)
        expected[name] = traits.encode(profile)
    met: set[Outcome] = set()

    async def folded(store: SessionStore) -> None:
        left = {name: interleaved(random, lanes) for name, lanes in held.items()}
        while left:
            size = random.choice((1, 3, 40))
            works = [Traces(name, traces[:size]) for name, traces in left.items()]
            left = {name: traces[size:] for name, traces in left.items() if traces[size:]}
            for answer in await store.remember(works):
                met.update(answer.outcomes)

    stores.run(folded)

    assert asyncio.run(hashes(stores.url or "", names)) == expected
    assert met == {Outcome.APPLIED, Outcome.STALE, Outcome.LATE, Outcome.FORGOTTEN, Outcome.ERASED}


async def hashes(url: str, user_ids: list[str]) -> dict[str, object]:
    pipeline = Pipeline(RedisUrl(url))
    try:
        replies = await pipeline.run([Call(("HGETALL", keys.profile(user_id))) for user_id in user_ids])
    finally:
        await pipeline.close()
    return dict(zip(user_ids, replies, strict=True))
