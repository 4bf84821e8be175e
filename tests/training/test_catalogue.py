"""Catalogue files."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from nextclick.verbs.declare import told_of_catalogue
from schemas.errors import DataError, UsageError
from training.catalogue import Catalogue


def test_a_catalogue_says_the_same_as_csv_and_as_ndjson(tmp_path: Path) -> None:
    # given
    text = tmp_path / "items.csv"
    text.write_text("item_id,title,category,price,available\n7,Lamp,Home > Light,9.90,false\n", encoding="utf-8")
    ndjson = tmp_path / "items.ndjson"
    ndjson.write_text(
        '{"item_id":"7","title":"Lamp","category":["Home","Light"],"price":"9.90","available":false}', encoding="utf-8"
    )

    # when
    [from_text], [from_ndjson] = Catalogue(text), Catalogue(ndjson)

    # then
    assert from_text == from_ndjson
    assert (from_text.item_id, from_text.category, from_text.price) == ("7", ("Home", "Light"), "9.90")


def test_an_item_with_a_wrong_field_comes_without_it_and_one_without_an_id_not_at_all(tmp_path: Path) -> None:
    # given
    path = tmp_path / "items.csv"
    path.write_text("StockCode,title,price\n1,Good,1.00\n,Nameless,1.00\n2,Dear,NaN\n3,Free,\n", encoding="utf-8")
    catalogue = Catalogue(path, {"item_id": "StockCode"})

    # when
    items = {item.item_id: (item.title, item.price) for item in catalogue}

    # then
    assert items == {"1": ("Good", "1.00"), "2": ("Dear", None), "3": ("Free", None)}
    assert catalogue.faults == {"item_id": 1, "price": 1}


def test_an_item_whose_vital_field_is_wrong_is_left_out_but_known_to_be_there(tmp_path: Path) -> None:
    # given
    path = tmp_path / "items.csv"
    path.write_text("item_id,price,available\n1,NaN,true\n2,1.00,perhaps\n,1.00,true\n4\n", encoding="utf-8")
    catalogue = Catalogue(path, vital=["available"])

    # when
    items = [item.item_id for item in catalogue]

    # then
    assert (items, catalogue.withheld) == (["1"], {"2"})
    assert catalogue.refused == {"available": 1, "item_id": 1, "cells": 1}
    assert (catalogue.left_out, catalogue.unreadable) == ({"price": 1}, 1)


def test_a_field_or_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item_id,title\n1,Lamp\n", encoding="utf-8")
    with pytest.raises(UsageError, match="colour"):
        Catalogue(path, {"colour": "title"})
    with pytest.raises(DataError, match="cost"):
        list(Catalogue(path, {"price": "cost"}))


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('{"item_id":1,"category":["a","b > c"]}', ("a", "b > c")),
        ('{"item_id":1,"category":"a > b"}', ("a", "b")),
        ('{"item_id":1,"category":[["a"]]}', ()),
        ('{"item_id":1,"category":5}', ("5",)),
    ],
)
def test_a_category_is_a_list_or_its_steps(tmp_path: Path, line: str, path: tuple[str, ...]) -> None:
    (tmp_path / "items.ndjson").write_text(line, encoding="utf-8")
    [item] = Catalogue(tmp_path / "items.ndjson")
    assert item.category == path


def test_a_catalogue_of_parquet_has_its_lists_and_numbers(tmp_path: Path) -> None:
    # given
    frame = pl.DataFrame({"item_id": [1, 2], "price": [9.5, float("nan")], "category": [["a", "b"], None]})
    frame.write_parquet(tmp_path / "items.parquet")
    catalogue = Catalogue(tmp_path / "items.parquet")

    # when
    first, second = catalogue

    # then
    assert (first.item_id, first.price, first.category) == ("1", "9.5", ("a", "b"))
    assert (second.price, second.category) == (None, ())
    assert catalogue.faults == {"price": 1}


@pytest.mark.parametrize(
    ("text", "ms"), [("1700000000000", 1_700_000_000_000), ("2023-11-14T22:13:20Z", 1_700_000_000_000)]
)
def test_when_an_item_came_is_milliseconds_or_iso(tmp_path: Path, text: str, ms: int) -> None:
    (tmp_path / "items.csv").write_text(f"item_id,created_at\n1,{text}\n", encoding="utf-8")
    assert [item.created_at for item in Catalogue(tmp_path / "items.csv")] == [ms]


@pytest.mark.parametrize("text", ["²", "9" * 5_000, "-5", "9" * 18, "1e3", "٣"])
def test_a_time_that_is_none_costs_the_item_its_time_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "items.csv").write_text(f"item_id,created_at\n1,{text}\n", encoding="utf-8")
    catalogue = Catalogue(tmp_path / "items.csv")
    assert [(item.item_id, item.created_at) for item in catalogue] == [("1", None)]
    assert catalogue.faults == {"created_at": 1}


def test_a_catalogue_without_ids_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("sku,title\n1,Good\n", encoding="utf-8")
    with pytest.raises(DataError, match="item_id"):
        list(Catalogue(path))


def test_what_is_wrong_with_a_catalogue_is_told_once_it_was_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given
    (tmp_path / "items.csv").write_text("item_id,price\n1,NaN\n2,1.00\n", encoding="utf-8")
    catalogue = Catalogue(tmp_path / "items.csv")

    # when
    assert len(list(catalogue)) == 2
    told_of_catalogue(catalogue)

    # then
    assert capsys.readouterr().err == "nextclick: in the catalogue were at fault: price 1\n"
