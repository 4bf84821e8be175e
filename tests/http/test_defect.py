"""A process that has a defect answers whoever is there, ends with 70, and is replaced where it has a parent."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus

import psutil
import pytest

from nextclick.servers import Guardian
from tests.kit.client import Client
from tests.kit.endpoint import Endpoint
from tests.kit.shop import Shop
from tests.kit.topic import eventually

#: Time enough to be seen in, on a machine that does other things too.
_DRAIN_S = 5
_WAIT_S = 90.0


@pytest.fixture
def frail(request: pytest.FixtureRequest, guardian: Guardian, installation: Shop) -> Iterator[Endpoint]:
    """Of so many processes."""
    settings = replace(installation.settings, security="off", drain_s=_DRAIN_S, serve_processes=request.param)
    endpoint = Endpoint(guardian, settings, "tests.http.frail", "serve")
    endpoint.await_ready()
    yield endpoint
    endpoint.kill()


def status(endpoint: Endpoint) -> int:
    async def asked() -> int:
        async with Client(endpoint.port) as client:
            return (await client.ask("GET", "/v1/recommendations/nobody")).status

    return asyncio.run(asyncio.wait_for(asked(), 20))


@pytest.mark.parametrize("frail", [1], indirect=True)
def test_a_process_with_a_defect_answers_whoever_is_there_and_ends_with_70(frail: Endpoint) -> None:
    frail.signal(signal.SIGUSR1)

    eventually(lambda: frail.ready()[0] == HTTPStatus.SERVICE_UNAVAILABLE, "it says that it drains", _WAIT_S)
    assert status(frail) == 200
    eventually(lambda: frail.exit_code() is not None, "it ends", _WAIT_S)
    assert frail.exit_code() == 70
    for said in ("the endpoint ends on a defect", "builtins.RuntimeError", "its log has why, start it again"):
        assert said in frail.said()


@pytest.mark.parametrize("frail", [2], indirect=True)
def test_a_parent_replaces_a_process_that_has_a_defect_while_the_others_answer(frail: Endpoint) -> None:
    before = {child.pid for child in frail.process.children()}
    struck = min(before)

    psutil.Process(struck).send_signal(signal.SIGUSR1)

    eventually(lambda: "ended with 70 and is replaced" in frail.said(), "its parent says so", _WAIT_S)
    assert status(frail) == 200
    eventually(frail.is_whole, "another has taken its place", _WAIT_S)
    now = {child.pid for child in frail.process.children()}
    assert len(now) == len(before) == 2
    assert before - now == {struck}
    assert frail.stop() == 0
