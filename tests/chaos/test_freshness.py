"""While workers are replaced or their number changes, lists keep coming."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos import campaign
from tests.chaos.campaign import Plan
from tests.chaos.faults import Join, Leave, Replace
from tests.chaos.stage import SLOWNESS
from tests.kit import freshness
from tests.kit.freshness import Answer, percentile
from tests.kit.shop import Shop
from tests.kit.traffic import VIEWS, Traffic

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

#: The longest that any click may wait for its list, whoever comes and goes.
GAP_MAX_S = 10.0
SPAN_S = 5

ROLLING = Plan(
    Traffic(seed=11, events=8_000, sessions=400, duplicates=0, kinds=VIEWS),
    faults=[Replace()] * 3,
    held_s=25,
    workers=3,
)
#: The same with static members: their partitions wait for them, and nobody else has to stop and look.
NAMED = replace(ROLLING, names=("a", "b", "c"), session_timeout_ms=30_000)
SCALING = Plan(
    Traffic(seed=12, events=12_000, sessions=400, duplicates=0, kinds=VIEWS),
    faults=[Join()] * 3 + [Leave()] * 3,
    pauses_s=(8, 12),
    workers=1,
)


@pytest.mark.parametrize(
    "plan", [ROLLING, NAMED, SCALING], ids=["rolling restart", "rolling restart, static", "one, four, one"]
)
def test_no_click_waits_long_for_its_list_while_workers_come_and_go(shop: Shop, plan: Plan) -> None:
    freshness.stamp_lists(shop.settings)

    outcome = campaign.run(shop, plan)

    found = freshness.read(shop.settings)
    for second, span in freshness.by_time(found, SPAN_S).items():
        print(f"  {second:4} s  {told(span)}")
    print(f"  in all  {told(found)}")
    outcome.hold()
    assert outcome.exits == []
    assert percentile(found, 100) <= GAP_MAX_S * SLOWNESS * 1_000


def told(found: list[Answer]) -> str:
    p50, p99, longest = (percentile(found, percent) / 1_000 for percent in (50, 99, 100))
    return f"{len(found):6,} clicks, p50 {p50:.3f} s, p99 {p99:.3f} s, the longest {longest:.3f} s"
