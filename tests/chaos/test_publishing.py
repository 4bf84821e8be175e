"""S11: a topic of lists that refuses them, or is not there, holds up no click and is caught up with."""

from __future__ import annotations

import pytest

from schemas import facts
from tests.chaos import campaign
from tests.chaos.campaign import Plan
from tests.chaos.faults import ListsDeleted, ListsRefused
from tests.kit.shop import Shop
from tests.kit.traffic import Traffic

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

AWAY_S = 60.0
#: What the lists that wait may weigh, and the worker's own growth as it warms up.
GROWTH_MAX_MIB = 60.0


def test_lists_that_are_refused_are_published_when_they_are_taken_again(shop: Shop) -> None:
    plan = Plan(Traffic(seed=13, events=15_000, sessions=1_000), faults=[ListsRefused(AWAY_S)], held_s=AWAY_S)

    outcome = campaign.run(shop, plan)

    outcome.hold()
    assert outcome.exits == []
    assert outcome.grew_mib <= GROWTH_MAX_MIB


def test_a_deleted_topic_of_lists_has_every_later_list_once_it_is_there_again(shop: Shop) -> None:
    deletion = ListsDeleted(AWAY_S)
    plan = Plan(Traffic(seed=14, events=15_000, sessions=1_000), faults=[deletion], held_s=AWAY_S)

    outcome = campaign.run(shop, plan)

    (deleted_at,) = deletion.gone_at
    triggers = {name: facts.decode(fields).trigger for name, fields in shop.expected().items() if fields}
    since = {name for name, trigger in triggers.items() if trigger and trigger.record_time > deleted_at}
    print(f"  {len(since)} sessions clicked after the topic was deleted")
    assert since
    assert since.isdisjoint(outcome.verdict.unpublished)
    assert not outcome.verdict.differ
    assert not outcome.verdict.unlisted
    assert outcome.exits == []
    assert outcome.grew_mib <= GROWTH_MAX_MIB
