"""What every request passes: a key, perhaps a token, the limits; and what it learns when it does not pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from schemas.errors import RedisError
from schemas.settings import Settings
from serving.http.guard import Guard
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.state.pipeline import Call, Reply
from tests.kit.doors import KEY, NOW, Remembering, guarded, request, token

T = TypeVar("T")


class Absent:
    """A Redis that is away."""

    async def run(self, calls: Sequence[Call]) -> list[Reply]:
        raise RedisError("Redis does not answer; check that it runs")


def asked(settings: Settings, ask: Callable[[Guard], Coroutine[Any, Any, T]], watch: Remembering | None = None) -> T:
    async def whole() -> T:
        guard = Guard(settings, Absent(), watch or Remembering(), lambda: NOW)
        try:
            return await ask(guard)
        finally:
            await guard.close()

    return asyncio.run(whole())


def admitted(given: Request, *, stream: bool = False, **chosen: Any) -> Caller:
    return asked(guarded(**chosen), lambda guard: guard.admit(given, stream=stream))


def refused(given: Request, *, stream: bool = False, **chosen: Any) -> Refused:
    with pytest.raises(Refused) as found:
        admitted(given, stream=stream, **chosen)
    return found.value


def test_a_good_key_is_known_by_its_name() -> None:
    assert admitted(request(x_api_key=KEY)) == Caller(key="web")


def test_a_good_token_says_which_session_and_which_user() -> None:
    given = request(x_api_key=KEY, x_session_token=token("s-1", "u-7"))
    assert admitted(given) == Caller("web", "s-1", "u-7")
