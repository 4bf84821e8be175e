"""Shops whose logs are public, as the verbs are told to read them, and what must be reached on each."""

from __future__ import annotations

import csv
import lzma
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: A folder with a directory a set; where it is not given, nothing can be measured.
VARIABLE: Final = "NEXTCLICK_TEST_DATA"

Floors = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Shop:
    name: str
    #: The log, below the folder; `prepared` makes it where it cannot be read as it is.
    log: str
    reading: tuple[str, ...] = ()
    #: Where the log is cut: trained on what is before, evaluated on what is after.
    cut: str | None = None
    #: Or the log and the reading of the evaluation.
    test: tuple[str, tuple[str, ...]] | None = None
    catalogue: str | None = None
    predictions: int | None = None
    #: Of the row `fusion`, and recall@200 of its pool.
    floors: Floors = field(default_factory=dict)
    prepared: Callable[[Path, Path], None] | None = None

    def training(self, folder: Path) -> list[str]:
        until = ["--until", self.cut] if self.cut else []
        catalogue = ["--catalog", str(folder / self.catalogue)] if self.catalogue else []
        return [str(folder / self.log), *self.reading, *until, *catalogue]

    def evaluation(self, folder: Path) -> list[str]:
        if self.test is not None:
            log, reading = self.test
            return [str(folder / log), *reading]
        return [str(folder / self.log), *self.reading, "--since", self.cut or ""]


def folder() -> Path | None:
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def dated(source: Path, target: Path) -> None:
    """eshop-clothing-2008 with its day in one column; the order of the rows is the order of the clicks."""
    with lzma.open(source, "rt", encoding="utf-8", newline="") as read, target.open("w", newline="") as write:
        writer = csv.writer(write)
        writer.writerow(("session_id", "item_id", "ts"))
        for row in csv.DictReader(read, delimiter=";"):
            day = f"{row['year']}-{int(row['month']):02}-{int(row['day']):02}T00:00:00Z"
            writer.writerow((row["session ID"], row["page 2 (clothing model)"], day))


def sold(source: Path, target: Path) -> None:
    """online-retail-uci without cancellations and corrections."""
    with lzma.open(source, "rt", encoding="utf-8", newline="") as read, target.open("w", newline="") as write:
        writer = csv.writer(write)
        writer.writerow(("session_id", "item_id", "ts", "type"))
        for row in csv.DictReader(read):
            if not row["InvoiceNo"].startswith("C") and int(row["Quantity"]) > 0 and float(row["UnitPrice"]) > 0:
                writer.writerow((row["InvoiceNo"], row["StockCode"], row["InvoiceDate"].replace(" ", "T"), "purchase"))


SHOPS: Final = (
    Shop(
        "yoochoose-5day",
        "yoochoose-5day/clicks.csv.xz",
        cut="2014-09-29T03:00:00Z",
        catalogue="yoochoose-5day/items.csv.xz",
        predictions=45_556,
        floors={"hit_rate@20": 0.675, "mrr@20": 0.290, "ndcg@20": 0.377, "recall@200": 0.870},
    ),
    Shop(
        "diginetica-gcegnn",
        "diginetica-gcegnn/train_sessions.txt.xz",
        reading=("--format", "sessions"),
        test=("diginetica-gcegnn/test.txt.xz", ("--samples",)),
        predictions=60_858,
        floors={"hit_rate@20": 0.548, "mrr@20": 0.200, "ndcg@20": 0.278, "recall@200": 0.835},
    ),
    Shop(
        "yoochoose-clicks-exact-ts",
        "yoochoose-clicks-exact-ts/clicks.csv.xz",
        reading=("--map", "ts=timestamp_ms"),
        cut="2014-09-04T07:27:51.459Z",
    ),
    Shop("online-retail-uci", "online-retail-uci/transactions.csv.xz", cut="2011-11-08T12:18:00Z", prepared=sold),
    Shop("eshop-clothing-2008", "eshop-clothing-2008/clicks.csv.xz", cut="2008-07-21T00:00:00Z", prepared=dated),
    Shop(
        "ml-1m-sasrec",
        "ml-1m-sasrec/interactions.csv.xz",
        reading=("--map", "session_id=user", "--map", "item_id=item", "--map", "ts=timestamp", "--idle", "1800"),
        cut="2002-01-24T02:46:48Z",
    ),
    Shop(
        "amazon-beauty-s3rec",
        "amazon-beauty-s3rec/interactions.csv.xz",
        reading=("--map", "session_id=user", "--map", "item_id=item", "--map", "ts=timestamp", "--idle", "1"),
        cut="2014-04-01T00:00:00Z",
    ),
)
