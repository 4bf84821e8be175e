"""deploy/haproxy.cfg, by HAProxy itself: whoever polls through it is failed by no process that comes or goes."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from nextclick.servers import LOOPBACK, Guardian, free_port
from schemas.settings import Settings
from tests.kit import rungs
from tests.kit.endpoint import Endpoint
from tests.kit.pollers import Pollers
from tests.kit.shop import Shop
from tests.kit.topic import eventually

CONFIG: Final = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"
_RATE: Final = 40.0


def path(number: int) -> str:
    return f"/v1/recommendations/nobody-{number}"


def test_haproxy_takes_its_file_and_warns_of_nothing() -> None:
    rungs.demand("haproxy")

    command: list[str | Path] = ["haproxy", "-c", "-dW", "-f", CONFIG]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def balancing(guardian: Guardian, directory: Path, *endpoints: Endpoint) -> Iterator[int]:
    """The port where the balancer is asked, which has these endpoints in the place of its two hosts.

    It tries nobody a second time, so that nothing but /ready spares whoever asks.
    """
    port, text = free_port(), CONFIG.read_text("utf-8")
    places = {"bind :80": f"bind {LOOPBACK}:{port}", "retries 2": "retries 0", "option redispatch 1": ""}
    for there, here in places.items():
        assert there in text
        text = text.replace(there, here)
    for number, endpoint in enumerate(endpoints, start=1):
        told = f"192.0.2.{number}:8080 port 9200"
        assert told in text
        text = text.replace(told, f"{LOOPBACK}:{endpoint.port} port {endpoint.health_port}")
    config = directory / "haproxy.cfg"
    config.write_text(text, encoding="utf-8")
    server = guardian.start("haproxy", ["haproxy", "-db", "-f", config])
    yield port
    server.kill()


@pytest.mark.chaos
@pytest.mark.timeout(400)
def test_nobody_is_failed_while_a_process_comes_and_another_goes(
    guardian: Guardian, installation: Shop, tmp_path: Path
) -> None:
    rungs.demand("haproxy")
    settings = replace(installation.settings, security="off")
    assert settings.drain_s == Settings().drain_s, "the file is made for what is there unless told otherwise"
    first = Endpoint(guardian, settings)
    first.await_ready()
    second = Endpoint(guardian, settings)
    with balancing(guardian, tmp_path, first, second) as port:
        eventually(lambda: _answers(port), "the balancer knows that the second is not there yet", 30)
        with Pollers(port, path, _RATE) as pollers:
            second.await_ready()
            eventually(lambda: _asked(second), "the second is asked too", 30)
            assert first.stop() == 0
            before = _polled(second)
            time.sleep(1)
            assert _polled(second) > before
    statuses = Counter(poll.status for poll in pollers.polls)
    print(f"\n{statuses}")
    assert set(statuses) == {200}
    second.signal(signal.SIGTERM)


def _answers(port: int) -> bool:
    with Pollers(port, path, _RATE, threads=1) as pollers:
        time.sleep(0.5)
    return bool(pollers.polls) and all(poll.status == 200 for poll in pollers.polls)


def _asked(endpoint: Endpoint) -> bool:
    return _polled(endpoint) > 0


def _polled(endpoint: Endpoint) -> float:
    told = 'nextclick_http_requests_total{route="/v1/recommendations/{session_id}",status="2xx"}'
    return endpoint.metrics().get(told, 0)
