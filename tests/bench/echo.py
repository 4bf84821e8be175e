"""The floor: Faust alone, with the worker's own client settings. What it consumes it sends back, and that is all.

What it sends is a list without items but one, so that the same subscriber can tell which click it answers.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

import faust

from schemas.recommendation import Item, Model, Reason, Recommendation, TriggeredBy, encode
from schemas.settings import Settings
from schemas.topics import Topics
from serving.state.producer import Producer
from stream.progress import Progress
from stream.transport import configured

_ITEM = Item("1", 1, 1.0, "popular", Reason("popular"))
_MODEL = Model("echo", "echo")


class Anywhere:
    """Nothing is to be known of partitions: each is read on from where it was committed."""

    def assign(self, partitions: Sequence[int]) -> None:
        pass

    async def begin(self, app: faust.App, generation: int, committed: Mapping[int, int | None]) -> dict[int, int]:
        return {partition: offset or 0 for partition, offset in committed.items()}

    def revoke(self) -> None:
        pass


def run(settings: Settings) -> None:
    names = Topics.named(settings.topic_prefix)
    app, transport = configured(settings, Progress())
    transport.parts = Anywhere()
    producer, started = Producer(settings, deadline_s=5), asyncio.Event()

    async def start() -> None:
        await producer.start()
        started.set()

    app.task(start)

    @app.agent(app.topic(names.clickstream, key_serializer="raw", value_serializer="raw"), concurrency=1)
    async def echo(stream: faust.StreamT[bytes]) -> None:
        await started.wait()
        async for event in stream.events():
            message = event.message
            answer = body(message.key, message.partition, message.offset)
            await producer._started.send(names.recommendations, answer, message.key)

    worker = faust.Worker(app, quiet=True, loglevel="WARNING", redirect_stdouts=False)
    worker.spinner = None
    worker.execute_from_commandline()


def body(session: bytes, partition: int, offset: int) -> bytes:
    return encode(
        Recommendation(
            recommendation_id="echo",
            session_id=session.decode(),
            session_started=1,
            session_version=offset + 1,
            generated_at=0,
            trigger=TriggeredBy("", 0, 0, "", "", partition, offset),
            model=_MODEL,
            items=(_ITEM,),
        )
    )


if __name__ == "__main__":
    run(Settings.read(os.environ, {}))
