"""S1: workers that are killed lose nothing and double nothing, and a worker that would is found out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos import broken, campaign
from tests.chaos.campaign import Plan
from tests.chaos.faults import Kill
from tests.kit.shop import Shop
from tests.kit.traffic import Traffic

FEW = Plan(
    Traffic(seed=1, events=20_000, sessions=400),
    faults=[Kill()] * 5,
    pauses_s=(2, 4),
    session_timeout_ms=3_000,
    grace_s=240,
)
MANY = Plan(Traffic(seed=1, events=100_000, sessions=2_000), faults=[Kill()] * 20)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("plan", [FEW, pytest.param(MANY, marks=pytest.mark.chaos)], ids=["few", "many"])
def test_killed_workers_lose_no_event_and_double_none(shop: Shop, plan: Plan) -> None:
    outcome = campaign.run(shop, plan)

    outcome.hold()
    assert outcome.redelivered > 0, "nothing was delivered again, so nothing was proved"
    assert outcome.duplicates > 0
    assert outcome.exits == []


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_killed_workers_leave_every_profile_as_one_thread_makes_it(shop: Shop) -> None:
    shop.settings = replace(shop.settings, profiles="on")
    plan = replace(FEW, traffic=replace(FEW.traffic, users=40))

    outcome = campaign.run(shop, plan)

    outcome.hold()
    assert outcome.redelivered > 0, "nothing was delivered again, so nothing was proved"


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_without_faults_nothing_is_delivered_again(shop: Shop) -> None:
    outcome = campaign.run(shop, replace(FEW, faults=[]))

    outcome.hold()
    assert outcome.redelivered == 0
    assert outcome.duplicates > 0


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_worker_that_doubles_is_caught(shop: Shop) -> None:
    outcome = campaign.run(shop, replace(FEW, module=broken.module("unguarded")))

    assert outcome.verdict.doubled > 0
    with pytest.raises(AssertionError, match="sessions differ"):
        outcome.hold()
