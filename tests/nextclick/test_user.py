"""Laws of `nextclick user`, with a real worker behind it."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec

from tests.kit import topic
from tests.kit.command import nextclick
from tests.kit.shop import Shop
from tests.kit.worker import environment


def test_a_user_can_be_looked_at_and_erased(shop: Shop) -> None:
    shop.settings = replace(shop.settings, profiles="on")
    worker, variables = shop.worker(), environment(shop.settings)
    worker.await_assigned()
    clicks = [msgspec.structs.replace(click, user_id="Jürgen, 7") for click in shop.clicks(3, sessions=3)]
    clicks[2] = msgspec.structs.replace(clicks[2], type="purchase")
    shop.send(clicks)
    topic.eventually(lambda: shop.folded(clicks) == 3, "the clicks are folded")

    shown = nextclick("user", "show", "Jürgen, 7", environment=variables)
    told = json.loads(nextclick("user", "show", "Jürgen, 7", "--json", environment=variables).stdout)

    assert all(click.item_id and click.item_id in shown.stdout for click in clicks)
    assert [deed["item_id"] for deed in told["bought"]] == [clicks[2].item_id]
    assert {deed["item_id"] for deed in told["liked"]} == {clicks[0].item_id, clicks[1].item_id}

    asked = nextclick("user", "erase", "Jürgen, 7", environment=variables)
    assert asked.returncode == 0

    def gone() -> bool:
        kept = json.loads(nextclick("user", "show", "Jürgen, 7", "--json", environment=variables).stdout)
        return kept["erased"] is not None and not (kept["bought"] or kept["liked"])

    topic.eventually(gone, "nothing but the marker is left")
    assert shop.folded(clicks) == 3, "sessions know no user"
    assert worker.stop() == 0


def test_a_user_that_never_was_is_no_error(shop: Shop) -> None:
    shown = nextclick("user", "show", "nobody", environment=environment(shop.settings))

    assert shown.returncode == 0
    assert "nothing is kept" in shown.stdout
