"""Laws of the port that orchestrators and Prometheus ask."""

from __future__ import annotations

import http.client
import json

import pytest
from prometheus_client import CollectorRegistry

from nextclick.servers import LOOPBACK, free_port, on_free_port
from schemas.errors import SettingsError
from serving.state import probes
from stream.health import Health, State
from stream.metrics import Metrics


class Port:
    def __init__(self) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.health = Health(10, lambda: 0.0)
        self.number = on_free_port(self._serve)

    def _serve(self, port: int) -> int:
        probes.serve(LOOPBACK, port, self.metrics.registry, self.health)
        return port

    def ask(self, path: str, method: str = "GET", accept: str = "") -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection(LOOPBACK, self.number, timeout=10)
        try:
            connection.request(method, path, headers={"Accept": accept})
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def port() -> Port:
    return Port()


def test_metrics_are_what_prometheus_reads(port: Port) -> None:
    port.metrics.events.labels("view", "applied").inc(3)

    status, kind, body = port.ask("/metrics")

    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert b'nextclick_events_total{outcome="applied",type="view"} 3.0' in body
    assert port.ask("/metrics", accept="application/openmetrics-text")[1].startswith("application/openmetrics-text")


def test_readiness_and_liveness_are_json_with_their_status(port: Port) -> None:
    status, kind, body = port.ask("/ready?verbose")
    assert (status, kind, json.loads(body)["ready"]) == (503, "application/json; charset=utf-8", False)

    port.health.tell(State((), "m1", ()))

    status, _, body = port.ask("/ready")
    assert (status, json.loads(body)["model"]) == (200, "m1")
    assert port.ask("/live")[0::2] == (200, b'{"live":true}')


def test_there_is_nothing_else(port: Port) -> None:
    assert port.ask("/")[0] == 404
    assert port.ask("/../etc/passwd")[0] == 404
    assert port.ask("/ready", method="POST")[0] == 501


def test_an_address_that_cannot_be_served_on_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="NEXTCLICK_METRICS_HOST"):
        probes.serve("256.256.256.256", free_port(), CollectorRegistry(), Health(10, lambda: 0.0))
