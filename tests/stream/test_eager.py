"""A coroutine that was tried before it was awaited ends as if it had only been awaited; so Faust hands records over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
from mode.services import WaitResults

from schemas.settings import Settings
from stream.eager import Eager
from stream.progress import Progress
from stream.transport import WorkerConsumer, configured


async def taking(gate: asyncio.Event, said: list[str]) -> str:
    said.append("begun")
    try:
        await gate.wait()
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        said.append("cancelled")
        raise
    said.append("taken")
    return "answer"


async def failing() -> None:
    raise ValueError("at once")


def in_a_loop(law: Callable[[asyncio.Event, list[str]], Awaitable[None]]) -> list[str]:
    said: list[str] = []

    async def whole() -> None:
        await law(asyncio.Event(), said)

    asyncio.run(whole())
    return said


def test_what_need_not_wait_is_done_at_once() -> None:
    async def quick(said: list[str]) -> str:
        said.append("taken")
        return "answer"

    async def law(gate: asyncio.Event, said: list[str]) -> None:
        eager = Eager(quick(said))
        assert (eager.is_done, eager.result) == (True, "answer")
        assert await eager == "answer"

    assert in_a_loop(law) == ["taken"]


def test_what_must_wait_goes_on_where_it_waited() -> None:
    async def law(gate: asyncio.Event, said: list[str]) -> None:
        eager = Eager(taking(gate, said))
        assert not eager.is_done
        task = asyncio.ensure_future(eager)
        await asyncio.sleep(0)
        gate.set()
        assert await task == "answer"

    assert in_a_loop(law) == ["begun", "taken"]


def test_what_must_wait_can_be_cancelled() -> None:
    async def law(gate: asyncio.Event, said: list[str]) -> None:
        task = asyncio.ensure_future(Eager(taking(gate, said)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert in_a_loop(law) == ["begun", "cancelled"]


def test_what_is_cancelled_may_still_wait_for_its_last_words() -> None:
    async def reluctant(said: list[str]) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            said.append("last words")
        return "answer"

    async def law(gate: asyncio.Event, said: list[str]) -> None:
        task = asyncio.ensure_future(Eager(reluctant(said)))
        await asyncio.sleep(0)
        task.cancel()
        assert await task == "answer"

    assert in_a_loop(law) == ["last words"]


def test_what_fails_at_once_fails_where_it_is_tried() -> None:
    async def law(gate: asyncio.Event, said: list[str]) -> None:
        with pytest.raises(ValueError, match="at once"):
            Eager(failing())

    in_a_loop(law)


@contextmanager
def consumer() -> Iterator[WorkerConsumer]:
    async def ignored(_: object) -> None: ...

    _, transport = configured(Settings(), Progress())
    made = transport.create_consumer(ignored, on_partitions_revoked=ignored, on_partitions_assigned=ignored)
    assert isinstance(made, WorkerConsumer)
    try:
        yield made
    finally:
        made._thread.thread_loop.close()  # which it makes for a thread that was never started


def handed_over(gate: asyncio.Event, said: list[str], faust: WorkerConsumer) -> asyncio.Future[WaitResults]:
    """A record on its way to the stream, as Faust's consumer sends it there."""
    return asyncio.ensure_future(faust.wait_first(taking(gate, said), faust.suspend_flow.wait()))


def test_a_record_that_is_taken_at_once_waits_for_nothing() -> None:
    async def law(gate: asyncio.Event, said: list[str]) -> None:
        async def quick() -> str:
            return "answer"

        with consumer() as faust:
            faust.suspend_flow.clear()
            assert (await faust.wait_first(quick(), faust.suspend_flow.wait())).results == ["answer"]

    in_a_loop(law)


def test_a_record_is_taken_when_the_stream_has_room_again() -> None:
    async def law(gate: asyncio.Event, said: list[str]) -> None:
        with consumer() as faust:
            faust.suspend_flow.clear()
            handing = handed_over(gate, said, faust)
            await asyncio.sleep(0.01)
            assert not handing.done()
            gate.set()
            assert (await handing).results == ["answer"]

    assert in_a_loop(law) == ["begun", "taken"]


def test_a_rebalance_calls_a_record_back_that_waits_for_room() -> None:
    async def law(gate: asyncio.Event, said: list[str]) -> None:
        with consumer() as faust:
            faust.suspend_flow.clear()
            handing = handed_over(gate, said, faust)
            await asyncio.sleep(0.01)
            faust.suspend_flow.set()
            await handing
            await asyncio.sleep(0)

    assert in_a_loop(law) == ["begun", "cancelled"]
