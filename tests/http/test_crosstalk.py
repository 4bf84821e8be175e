"""Nobody is ever answered with what is another's, whoever hangs up in the middle of what."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import pytest

from nextclick.servers import LOOPBACK
from tests.kit import doors, lists
from tests.kit.dial import Answer, parsed
from tests.kit.endpoint import Endpoint
from tests.kit.shop import Shop

#: So many that most of what is asked for must be fetched.
_SESSIONS: Final = 4_000
_AT_ONCE: Final = 1_000
_ROUNDS: Final = 2
#: How many requests a client sends on its one connection without waiting for answers.
_EACH: Final = 3
#: Some while they are waited for in Redis, some while an answer comes.
_HANGS_UP_WITHIN_S: Final = (0.01, 0.1, 0.4)
_PATIENCE_S: Final = 60.0
#: What a poll may ask beside: plain, made of the stored list, and one that waits for a click that does not come.
_ASKED: Final = ("", "?limit=7", "?after=ffffffff.0.9")


@dataclass
class Heard:
    """What all clients were told."""

    hung_up: int = 0
    answers: list[tuple[str, Answer]] = field(default_factory=list)

    @property
    def strange(self) -> list[str]:
        """Of whom the answer is not the own list."""
        return [sid for sid, answer in self.answers if not own(sid, answer)]


def own(session_id: str, answer: Answer) -> bool:
    body = json.loads(answer.body)
    return answer.status == 200 and (body["session_id"], body["recommendation_id"]) == (
        session_id,
        lists.name(session_id),
    )


def clients(port: int, session_ids: list[str], seed: int) -> Heard:
    chance = random.Random(seed)

    async def ask(session_id: str, hangs_up: bool, heard: Heard) -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        said = b""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(
                chance.uniform(0, chance.choice(_HANGS_UP_WITHIN_S)) if hangs_up else _PATIENCE_S
            ):
                for n in range(_EACH):
                    writer.write(request(session_id, chance.choice(_ASKED[:2] if n else _ASKED), last=n == _EACH - 1))
                while chunk := await reader.read(65_536):
                    said += chunk
        writer.transport.abort()
        heard.hung_up += len(parsed(said)) < _EACH
        heard.answers += [(session_id, answer) for answer in parsed(said)]

    async def whole() -> Heard:
        heard = Heard()
        for _ in range(_ROUNDS):
            chosen = [chance.choice(session_ids) for _ in range(_AT_ONCE)]
            await asyncio.gather(*(ask(each, chance.random() < 0.5, heard) for each in chosen))
        return heard

    return asyncio.run(whole())


def request(session_id: str, asked: str, *, last: bool) -> bytes:
    head = [
        f"GET /v1/recommendations/{session_id}{asked} HTTP/1.1",
        "Host: shop.example",
        f"X-Api-Key: {doors.KEY}",
        f"X-Session-Token: {doors.token(session_id, now=time.time())}",
        "Connection: close" if last else "Connection: keep-alive",
    ]
    return "\r\n".join([*head, "", ""]).encode()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nobody_is_answered_with_anothers_list_when_others_hang_up(
    installation: Shop, guarded: Endpoint, sid: str
) -> None:
    # given
    session_ids = [f"{sid}-{n}" for n in range(_SESSIONS)]
    lists.put(installation.settings, installation.epoch, session_ids)

    # when
    heard = clients(guarded.port, session_ids, seed=20_261_127)

    # then
    assert heard.strange == []
    assert heard.hung_up > _ROUNDS * _AT_ONCE / 5  # or it was no test
    assert len(heard.answers) > _ROUNDS * _AT_ONCE / 5
