"""`nextclick catalog load`: the topic comes to say what the file says, and nothing is said twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nextclick.catalog import Deletion, Difference
from nextclick.cli import main
from schemas.item import Entry, Item, decode, encode
from schemas.settings import Settings
from schemas.topics import Topics
from serving.state import topics
from tests.kit import topic
from tests.kit.worker import environment

HEAD = "item_id,title,available\n"


class Loads:
    """A file, loaded again and again."""

    def __init__(self, settings: Settings, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.settings = settings
        self.name = Topics.named(settings.topic_prefix).catalog
        self.file = file
        self.capsys = capsys

    def __call__(self, text: str, *flags: str, code: int = 0) -> dict[str, Any]:
        self.file.write_text(text, encoding="utf-8")
        assert main(["catalog", "load", str(self.file), *flags, "--json"]) == code
        told: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return told

    def counts(self, text: str, *flags: str, code: int = 0) -> tuple[int, ...]:
        told = self(text, *flags, code=code)
        return tuple(told[name] for name in ("new", "changed", "unchanged", "deleted", "missing"))

    def records(self) -> list[topic.Raw]:
        return topic.read_all(self.settings.kafka, self.name)

    def items(self) -> dict[str, Item]:
        """What somebody who reads the topic to its end knows."""
        said = {raw.key.decode(): raw.value for raw in self.records() if raw.key is not None}
        return {item_id: decode(value) for item_id, value in said.items() if value is not None}


@pytest.fixture
def load(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Loads:
    topics.create(settings, 30)
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    return Loads(settings, tmp_path / "items.csv", capsys)


@pytest.mark.kafka
def test_only_what_is_new_or_changed_is_sent_and_what_is_missing_is_deleted_when_asked(load: Loads) -> None:
    assert load.counts(f"{HEAD}1,Lamp,true\n2,Rug,true\n3,Mug,false\n") == (3, 0, 0, 0, 0)
    assert len(load.records()) == 3
    assert load.counts(f"{HEAD}1,Lamp,true\n2,Rug,true\n3,Mug,false\n") == (0, 0, 3, 0, 0)
    assert len(load.records()) == 3

    assert load.counts(f"{HEAD}1,Lamp,false\n2,Rug,true\n4,Bed,true\n") == (1, 1, 1, 0, 1)
    assert load.items()["1"] == Item(item_id="1", title="Lamp", available=False)
    assert set(load.items()) == {"1", "2", "3", "4"}

    assert load.counts(f"{HEAD}1,Lamp,false\n2,Rug,true\n4,Bed,true\n", "--delete-missing") == (0, 0, 3, 1, 0)
    assert set(load.items()) == {"1", "2", "4"}
    assert load.counts(f"{HEAD}1,Lamp,false\n2,Rug,true\n4,Bed,true\n", "--delete-missing") == (0, 0, 3, 0, 0)
    assert len(load.records()) == 6


@pytest.mark.kafka
def test_what_others_wrote_is_compared_by_what_it_says(load: Loads) -> None:
    said = b'{"available": true, "title": "Lamp", "item_id": "1", "colour": "red"}'
    topic.produce(load.settings.kafka, load.name, [(b"1", said, ()), (b"2", b"no json", ())])

    assert load.counts(f"{HEAD}1,Lamp,true\n2,Rug,true\n") == (1, 0, 1, 0, 0)


@pytest.mark.kafka
def test_a_file_that_has_not_half_of_the_items_deletes_nothing_unless_forced(load: Loads) -> None:
    load(HEAD + "".join(f"{number},Lamp,true\n" for number in range(10)))
    rest = HEAD + "".join(f"{number},Lamp,true\n" for number in range(4))

    told = load(rest, "--delete-missing", code=65)
    assert told["doubt"] == "6 of 10 items are not in the file, more than half"
    assert len(load.items()) == 10

    assert load.counts(rest, "--delete-missing", "--force") == (0, 0, 4, 6, 0)
    assert len(load.items()) == 4


@pytest.mark.kafka
def test_what_cannot_be_taken_is_told_and_nothing_is_deleted_for_it(load: Loads) -> None:
    # given
    load(f"{HEAD}1,Lamp,true\n2,Rug,true\n3,Mug,true\n4,Bed,true\n5,Cup,true\n")

    # when: 2 is perhaps to be had, 3 is there twice, 4 may be in the row that is cut off
    told = load(
        f"{HEAD}1,Lamp,true\n2,Rug,perhaps\n3,Mug,true\n3,Jug,true\n,Box,true\n4\n5,Cup,true\n",
        "--delete-missing",
        code=65,
    )

    # then
    assert told["refused"] == {"available": 1, "duplicate": 1, "item_id": 1, "cells": 1}
    assert (told["deleted"], told["missing"]) == (0, 1)
    assert told["doubt"] == "1 items are not in the file, but may be in one of its 1 rows that cannot be read"
    assert {item.title for item in load.items().values()} == {"Lamp", "Rug", "Mug", "Bed", "Cup"}


@pytest.mark.kafka
def test_a_field_that_cannot_be_read_is_left_out_and_told(load: Loads) -> None:
    told = load("sku,title,price\n1,Lamp,9.90\n2,Rug,cheap\n", "--map", "item_id=sku")
    assert (told["new"], told["left_out"]) == (2, {"price": 1})
    assert load.items() == {"1": Item(item_id="1", title="Lamp", price="9.90"), "2": Item(item_id="2", title="Rug")}


@pytest.mark.parametrize(("flags", "code"), [(["--map", "colour=title"], 64), (["--map", "price=cost"], 65)])
def test_a_map_of_what_is_not_there_is_refused_before_anything_is_sent(
    load: Loads, flags: list[str], code: int
) -> None:
    load.file.write_text(f"{HEAD}1,Lamp,true\n", encoding="utf-8")
    assert main(["catalog", "load", str(load.file), *flags]) == code
    assert load.records() == []


def test_an_item_that_no_record_may_carry_is_refused() -> None:
    difference = Difference()
    heavy = Item(
        item_id="1", description="\N{SNOWMAN}" * 16_384, attrs={f"a{at}": "\N{SNOWMAN}" * 256 for at in range(32)}
    )
    assert list(difference.news([heavy])) == []
    assert difference.refused == {"too_large": 1}


def test_what_was_deleted_on_the_topic_is_new_again() -> None:
    difference = Difference()
    difference.read([Entry("1", Item(item_id="1")), Entry("1", None)])
    assert list(difference.news([Item(item_id="1")])) == [("1", encode(Item(item_id="1")))]
    assert (difference.new, difference.missing()) == (1, [])


@pytest.mark.parametrize(
    ("deletion", "missing", "unreadable", "doubted"),
    [
        (Deletion(), 100, 1, False),
        (Deletion(wanted=True), 50, 0, False),
        (Deletion(wanted=True), 51, 0, True),
        (Deletion(wanted=True), 1, 1, True),
        (Deletion(wanted=True), 0, 1, False),
        (Deletion(wanted=True, forced=True), 100, 1, False),
    ],
)
def test_deleting_is_doubted_where_the_file_does_not_look_whole(
    deletion: Deletion, missing: int, unreadable: int, doubted: bool
) -> None:
    assert (deletion.doubt(missing, 100, unreadable) is not None) == doubted
