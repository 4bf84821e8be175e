"""Laws of what the log holds when a worker ends itself."""

from __future__ import annotations

import asyncio
import threading

from stream import dump
from stream.progress import Heard, Lane


async def waits_for(event: asyncio.Event, session_id: str) -> None:
    """Whose argument must not be in any log."""
    await event.wait()
    raise AssertionError(session_id)


async def waits_outside(event: asyncio.Event) -> None:
    await waits_for(event, "secret-session")


def test_each_task_is_shown_with_all_that_it_awaits_and_no_value() -> None:
    async def seen() -> list[str]:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(waits_outside(asyncio.Event()))
        await asyncio.sleep(0)
        lines = await asyncio.to_thread(lambda: list(dump.tasks([loop])))
        task.cancel()
        return lines

    (line,) = [line for line in asyncio.run(seen()) if "waits_outside" in line]
    names = [link.split(" ")[0] for link in line.removeprefix("task: ").split(" > ")]
    assert names == ["waits_outside", "waits_for", "Event.wait"]
    assert "stream/test_dump.py:" in line
    assert "secret" not in line


def test_each_thread_is_shown_by_name_with_its_stack() -> None:
    leave, there = threading.Event(), threading.Event()

    def stays() -> None:
        there.set()
        leave.wait(30)

    thread = threading.Thread(target=stays, name="somebody")
    thread.start()
    there.wait(30)

    (shown,) = [text for text in dump.threads() if text.startswith("thread somebody:")]

    leave.set()
    thread.join()
    assert "in stays" in shown


def test_each_partition_is_shown_with_what_is_known_of_it() -> None:
    lane = Lane(3, 1_000, 41_000, 219, 99, Heard(220, 230, 0, 100), 130, 0.0)

    (line,) = dump.lanes([lane], 71_500)

    assert line == (
        "partition 3: assigned 70.5 s ago, last acknowledged 99, 30.5 s ago or not since, read to 219, position 220, "
        "committed 100, log end 230, lag 130"
    )
