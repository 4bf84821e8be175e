"""Laws of a topic that may be made anew under a worker."""

from __future__ import annotations

import asyncio

import pytest

from schemas.errors import InvariantError, KafkaError
from stream.epoch import Epoch


def epoch(*answers: str | KafkaError) -> Epoch:
    """Of a worker that began with "0badcafe"; what Kafka says when it is asked."""
    left = iter(answers)

    async def ask() -> str:
        answer = next(left)
        if isinstance(answer, KafkaError):
            raise answer
        return answer

    return Epoch("0badcafe", ask, every_s=0)


def test_a_topic_that_is_still_the_same_is_no_news() -> None:
    asyncio.run(epoch("0badcafe").check())


def test_a_topic_that_was_made_anew_is_told_with_both_epochs() -> None:
    with pytest.raises(InvariantError, match="was 0badcafe and is 12345678"):
        asyncio.run(epoch("12345678").check())


def test_a_kafka_that_does_not_answer_is_asked_again_later() -> None:
    watched = epoch("0badcafe", KafkaError("away"), "0badcafe", "12345678")

    with pytest.raises(InvariantError):
        asyncio.run(watched.run())
