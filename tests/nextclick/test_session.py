"""Laws of `nextclick session`, with a real worker behind it."""

from __future__ import annotations

import json

from nextclick.verbs.session import _lines
from schemas import keys
from schemas.session import Session, State
from serving.state.pipeline import Call
from tests.kit import topic
from tests.kit.command import nextclick
from tests.kit.shop import Shop
from tests.kit.worker import environment


def test_a_session_can_be_looked_at_and_erased(shop: Shop) -> None:
    worker, variables = shop.worker(), environment(shop.settings)
    worker.await_assigned()
    clicks = shop.clicks(3, sessions=1)
    name = clicks[0].session_id
    shop.send(clicks)
    topic.eventually(lambda: shop.folded(clicks) == 3 and shop.stored(name) is not None, "the clicks are answered")

    shown = nextclick("session", "show", name, environment=variables)
    told = json.loads(nextclick("session", "show", name, "--json", environment=variables).stdout)

    assert all(click.item_id and click.item_id in shown.stdout for click in clicks)
    assert told["session"]["version"] == 3
    assert [item["rank"] for item in told["recommendation"]["items"]] == list(range(1, 31))

    asked = nextclick("session", "erase", name, environment=variables)
    assert asked.returncode == 0
    topic.eventually(lambda: shop.folded(clicks) == 0 and shop.stored(name) is None, "nothing is left")
    topic.eventually(lambda: shop.owed() == 0, "nor is it named among those who wait for a list")
    assert shop.ask([Call(("KEYS", f"*{name}*"))]) == [[keys.erased(name).encode()]], "but for the marker"
    gone = json.loads(nextclick("session", "show", name, "--json", environment=variables).stdout)
    assert gone["session"] is None
    assert gone["recommendation"] is None
    assert gone["erased"] is not None
    assert worker.stop() == 0


def test_a_session_that_never_was_is_no_error(shop: Shop) -> None:
    shown = nextclick("session", "show", "nobody", environment=environment(shop.settings))

    assert shown.returncode == 0
    assert "nothing is kept" in shown.stdout


def test_a_session_of_late_events_alone_says_so_and_claims_no_beginning() -> None:
    # given what the fold leaves of a click that was too old
    refused = State(Session(guards={"0badcafe.3": 7}))

    # when
    said = "\n".join(_lines(refused, None))

    # then
    assert "1970" not in said
    assert "late" in said
    assert "0badcafe.3.7" in said
