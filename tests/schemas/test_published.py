"""Laws of what others build on: JSON Schemas, key names, topics, the recommendation's form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas import jsonschema, keys, recommendation, topics
from schemas.recommendation import Item, Model, Reason, Recommendation, TriggeredBy
from schemas.settings import Settings

JSON = Path(jsonschema.__file__).parent / "json"


def made(**changes: Any) -> Recommendation:
    fields: dict[str, Any] = {
        "recommendation_id": "r1",
        "session_id": "s1",
        "session_started": 1,
        "session_version": 2,
        "generated_at": 3,
        "trigger": TriggeredBy("e1", 1, 1, "clickstream", "0badcafe", 0, 5),
        "model": Model("m1", "c1"),
        "items": (Item("lamp", 1, 0.5, "popular", Reason("popular", {}, "Popular now")),),
    }
    return Recommendation(**(fields | changes))


def test_the_published_json_schemas_are_those_of_the_types() -> None:
    assert {path.name: path.read_bytes() for path in JSON.glob("*.json")} == jsonschema.files(), "run `make docs`"


@pytest.mark.parametrize("name", sorted(jsonschema.files()))
def test_no_pattern_looks_ahead_which_go_and_rust_cannot(name: str) -> None:
    assert b"(?" not in jsonschema.files()[name]


def test_a_revision_given_by_the_store_yields_the_same_json_as_one_given_here() -> None:
    head = recommendation.unrevised(made())

    for revision in (0, 7, 12_345):
        assert recommendation.revised(head, revision) == recommendation.encode(made(revision=revision))


def test_only_the_store_revises() -> None:
    with pytest.raises(ValueError, match="revision"):
        recommendation.unrevised(made(revision=1))


def test_a_recommendation_is_read_as_it_was_written() -> None:
    assert recommendation.decode(recommendation.encode(made())) == made()
    assert json.loads(recommendation.encode(made()))["fallback"] is None


def test_a_recommendation_of_another_schema_is_not_taken_for_one() -> None:
    foreign = recommendation.encode(made()).replace(b"nextclick.recommendation/1", b"nextclick.recommendation/2")

    with pytest.raises(msgspec.ValidationError):
        recommendation.decode(foreign)


def test_all_keys_of_a_session_share_its_hash_tag() -> None:
    named = [keys.session("s1"), keys.erased("s1"), keys.recommendation("s1"), keys.vector("s1")]

    assert len(set(named)) == 4
    assert {name[: name.index("}") + 1] for name in named} == {"{s1}"}


def test_a_channel_is_one_of_sixteen_and_a_fingerprint_is_no_session_id() -> None:
    assert {keys.channel(f"s{n}") for n in range(1_000)} == {f"rec.{n}" for n in range(16)}
    assert "s1" not in keys.fingerprint("s1")


def test_the_topics_are_declared_as_the_contract_says() -> None:
    specs = {spec.name: spec for spec in topics.specs(Settings.read({"NEXTCLICK_TOPIC_PREFIX": "shop."}, {}))}

    assert set(specs) == {"shop.clickstream", "shop.catalog", "shop.recommendations", "shop.clickstream.dead"}
    assert specs["shop.clickstream"].config["message.timestamp.type"] == "LogAppendTime"
    assert specs["shop.clickstream"].config["max.message.bytes"] == str(1024 * 1024)
    assert specs["shop.recommendations"].config["max.message.bytes"] == str(1024 * 1024)
    assert specs["shop.clickstream.dead"].config["max.message.bytes"] == str(2 * 1024 * 1024)
    assert specs["shop.catalog"].config["cleanup.policy"] == "compact"
