"""S2: partitions that change hands, because workers come, go, or stand still and wake, cost and double nothing."""

from __future__ import annotations

import pytest

from tests.chaos import campaign
from tests.chaos.campaign import Plan
from tests.chaos.faults import Freeze, Join, Leave
from tests.kit.shop import Shop
from tests.kit.traffic import Traffic

FEW_MOVES = Plan(
    Traffic(seed=2, events=8_000, sessions=200),
    faults=[Join(), Leave()],
    pauses_s=(2, 4),
    session_timeout_ms=3_000,
    grace_s=240,
)
MANY_MOVES = Plan(Traffic(seed=2, events=100_000, sessions=2_000), faults=[Join(), Leave()] * 5, pauses_s=(5, 9))

FEW_FREEZES = Plan(
    Traffic(seed=3, events=6_000, sessions=200),
    faults=[Freeze(4.5)] * 2,
    pauses_s=(1, 2),
    held_s=9,
    session_timeout_ms=3_000,
    grace_s=240,
)
MANY_FREEZES = Plan(Traffic(seed=3, events=100_000, sessions=2_000), faults=[Freeze(9.5)] * 6, held_s=57)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("plan", [FEW_MOVES, pytest.param(MANY_MOVES, marks=pytest.mark.chaos)], ids=["few", "many"])
def test_workers_that_join_and_leave_lose_nothing_and_double_nothing(shop: Shop, plan: Plan) -> None:
    outcome = campaign.run(shop, plan)

    outcome.hold()
    assert outcome.redelivered > 0, "nothing was delivered again, so nothing was proved"
    assert outcome.exits == []


@pytest.mark.timeout(900)
@pytest.mark.chaos
@pytest.mark.parametrize("plan", [FEW_FREEZES, MANY_FREEZES], ids=["few", "many"])
def test_workers_that_wake_after_others_took_over_change_nothing(shop: Shop, plan: Plan) -> None:
    outcome = campaign.run(shop, plan)

    outcome.hold()
    assert outcome.redelivered > 0, "nothing was delivered again, so nothing was proved"
