"""A process that begins without Kafka waits for it a while, says so, and may be asked to end meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nextclick.servers import LOOPBACK, Guardian, free_port
from tests.kit.endpoint import Endpoint
from tests.kit.shop import Shop
from tests.kit.topic import eventually


@pytest.mark.timeout(300)
def test_one_that_is_asked_to_end_while_it_waits_for_kafka_does_not_wait_for_it(guardian: Guardian, shop: Shop) -> None:
    endpoint = Endpoint(guardian, replace(shop.settings, security="off", kafka=f"{LOOPBACK}:{free_port()}"))

    def waits() -> bool:
        """With its bundle, with Redis, and not serving yet."""
        status, told = endpoint.ready()
        return status == 503 and bool(told["model"]) and told["degraded"] == ["kafka"]

    eventually(waits, "it waits for Kafka alone", 120)

    assert endpoint.stop() == 0
    assert "serving on" not in endpoint.said()
