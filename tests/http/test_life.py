"""A process's life under load: it comes, another bundle takes over, it goes, and nobody who asks is failed."""

from __future__ import annotations

import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from nextclick.servers import Guardian
from serving.state import folder
from tests import worlds
from tests.kit.balancer import Balancer
from tests.kit.bundles import publish
from tests.kit.dial import Dial
from tests.kit.endpoint import Endpoint
from tests.kit.pollers import Pollers
from tests.kit.shop import Shop

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

#: From the signal to the end; what a process has that is not told otherwise.
END_S = 10.0
RATE = 40.0
#: For a bundle to be seen, proved and taken, on a machine that does other things too.
SWAP_S = 60.0


def path(number: int) -> str:
    return f"/v1/recommendations/nobody-{number}"


def test_no_request_fails_while_one_of_two_processes_ends_and_another_comes(
    guardian: Guardian, installation: Shop
) -> None:
    settings = replace(installation.settings, security="off", drain_s=2)
    first, second = Endpoint(guardian, settings), Endpoint(guardian, settings)
    first.await_ready()
    second.await_ready()
    with Balancer([first, second]) as balancer, Pollers(balancer.port, path, RATE) as pollers:
        time.sleep(1)
        asked_s = time.monotonic()
        first.signal(signal.SIGTERM)
        assert first.stop() == 0
        took_s = time.monotonic() - asked_s
        third = Endpoint(guardian, settings)
        third.await_ready()
        balancer.admit(third)
        time.sleep(1)
    statuses = Counter(poll.status for poll in pollers.polls)
    print(f"\n{statuses}; the end took {took_s:.1f} s")
    assert set(statuses) == {200}
    for each in (second, third):
        assert each.stop() == 0


def test_a_stream_is_told_to_come_back_before_its_process_ends(guardian: Guardian, installation: Shop) -> None:
    endpoint = Endpoint(guardian, replace(installation.settings, security="off", drain_s=0))
    endpoint.await_ready()
    with Dial(endpoint.port) as dial:
        dial.send(b"GET /v1/recommendations/nobody/stream HTTP/1.1\r\nHost: shop\r\n\r\n")
        until = time.monotonic() + 20
        while b"event: recommendations" not in dial.said and time.monotonic() < until:
            dial.hear(0.2, 0)
        assert endpoint.stop() == 0
        dial.hear(5)
        assert dial.said.endswith(b"event: bye\ndata: {}\n\n")
        assert dial.closed


def test_every_answer_is_of_one_bundle_while_others_take_over(
    guardian: Guardian, installation: Shop, tmp_path: Path
) -> None:
    versions = {publish(tmp_path / name, worlds.chain(seed=seed)).version for name, seed in (("a", 1), ("b", 2))}
    folder.activate(tmp_path, "a")
    endpoint = Endpoint(guardian, replace(installation.settings, security="off", bundle=str(tmp_path)))
    endpoint.await_ready()
    with Pollers(endpoint.port, path, RATE) as pollers:
        for name in ("b", "a", "b"):
            _, before = endpoint.ready()
            folder.activate(tmp_path, name)
            until = time.monotonic() + SWAP_S
            while endpoint.ready()[1]["model"] == before["model"]:
                assert time.monotonic() < until, f"{name} did not take over"
                time.sleep(0.1)
    assert endpoint.stop() == 0
    assert {poll.status for poll in pollers.polls} == {200}
    assert {poll.model for poll in pollers.polls} == versions
    assert all(poll.model == poll.body_model for poll in pollers.polls)
