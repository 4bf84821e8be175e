"""Catalogue files."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import DataError
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


def test_bad_items_are_counted_and_left_out(tmp_path: Path) -> None:
    # given
    path = tmp_path / "items.csv"
    path.write_text("StockCode,title,price\n1,Good,1.00\n,Nameless,1.00\n2,Dear,much\n", encoding="utf-8")
    catalogue = Catalogue(path, {"item_id": "StockCode"})

    # when
    items = [item.item_id for item in catalogue]

    # then
    assert items == ["1"]
    assert catalogue.faults.total() == 2


def test_a_catalogue_without_ids_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("sku,title\n1,Good\n", encoding="utf-8")
    with pytest.raises(DataError, match="item_id"):
        list(Catalogue(path))
