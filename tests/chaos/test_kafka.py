"""S6: a Kafka that freezes, dies or restarts is waited for, and found again without anybody's help."""

from __future__ import annotations

import pytest

from tests.chaos import campaign
from tests.chaos.campaign import Plan
from tests.chaos.faults import KafkaFrozen, KafkaKilled, KafkaRestarted
from tests.kit.kafka_server import KafkaServer
from tests.kit.shop import Shop
from tests.kit.traffic import Traffic

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FROZEN = Plan(Traffic(seed=7, events=20_000, sessions=400), faults=[KafkaFrozen(20)] * 3, held_s=70)
RESTARTED = Plan(
    Traffic(seed=8, events=20_000, sessions=400),
    faults=[KafkaKilled(), KafkaRestarted(), KafkaKilled(), KafkaRestarted(), KafkaKilled()],
    held_s=50,
)


@pytest.mark.parametrize("plan", [FROZEN, RESTARTED], ids=["frozen", "restarted"])
def test_a_kafka_that_returns_is_worked_with_again_and_nothing_is_lost(
    shop: Shop, own_kafka: KafkaServer, plan: Plan
) -> None:
    outcome = campaign.run(shop, plan, kafka=own_kafka)

    outcome.hold()
    assert len(outcome.recoveries_s) == len(plan.faults)
