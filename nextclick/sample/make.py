"""Makes the sample and its bundle: `python -m nextclick.sample.make SOURCE`; without SOURCE, the bundle alone.

SOURCE is a directory with the files `transactions.csv.xz` (InvoiceNo, StockCode, Description, Quantity,
InvoiceDate, UnitPrice, CustomerID, Country) of UCI's data set "Online Retail" in the order of its lines.
The same source gives the same bytes. README.md says what is kept and what is changed.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import re
import shutil
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Final

from nextclick.sample import BUNDLE, CATALOGUE, REPLAY, TRAIN
from nextclick.terminal import say

COMMAND: Final = "python -m nextclick.sample.make"
TRAIN_FROM: Final = datetime(2011, 10, 1, tzinfo=UTC)
REPLAY_FROM: Final = datetime(2011, 12, 3, tzinfo=UTC)

#: Five digits and perhaps a variant are goods; the rest is postage, fees, samples and corrections.
_GOODS: Final = re.compile(r"[0-9]{5}[A-Z]{0,2}")
#: Longer invoices are wholesalers stocking up, not somebody choosing.
_LINES: Final = range(2, 101)
#: The source has minutes only: the seconds between the lines of an invoice are made up.
_GAP_S: Final = range(3, 20)


@dataclass(slots=True)
class Basket:
    """The usable lines of one invoice, in the order of the file."""

    begun: datetime
    items: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, order=True)
class Event:
    ts: int
    session_id: str
    item_id: str


@dataclass(slots=True)
class Product:
    first_sold: datetime
    titles: Counter[str] = field(default_factory=Counter)
    prices: list[float] = field(default_factory=list)


def main(arguments: Sequence[str]) -> None:
    if arguments:
        sample(Path(arguments[0]))
    bundle()


def sample(source: Path) -> None:
    """The three files, from the data set."""
    baskets, products = _read(source / "transactions.csv.xz")
    chosen = [(number, basket) for number, basket in baskets.items() if len(basket.items) in _LINES]
    before = _events(chosen, TRAIN_FROM, REPLAY_FROM)
    after = _events(chosen, REPLAY_FROM, datetime.max.replace(tzinfo=UTC))
    sold = sorted({event.item_id for event in (*before, *after)})
    for path, events in ((TRAIN, before), (REPLAY, after)):
        rows = ((event.session_id, event.item_id, "purchase", event.ts) for event in events)
        _write(path, ("session_id", "item_id", "type", "ts"), rows)
    _write(CATALOGUE, ("item_id", "title", "price", "currency", "created_at"), _rows(sold, products))


def bundle() -> None:
    """The demo's bundle, from the sample."""
    # Here and not above: nothing that production can import needs what training needs.
    from training import log
    from training.catalogue import Catalogue
    from training.place import Place
    from training.train import Order, Stages, train

    shutil.rmtree(BUNDLE, ignore_errors=True)
    # The command names no place, and one thread sums in one order on every machine.
    order = Order(command=COMMAND, threads=1)
    stages = Stages(time.monotonic, _silent, say, Place(BUNDLE))
    manifest = train(log.read([TRAIN]), Catalogue(CATALOGUE), order, round(time.time() * 1000), stages)
    print(f"bundle {manifest.version}: {manifest.data}")


def _silent(stage: str) -> Callable[[int, int], None]:
    return lambda done, of: None


def _read(path: Path) -> tuple[dict[str, Basket], dict[str, Product]]:
    baskets: dict[str, Basket] = {}
    products: dict[str, Product] = {}
    with lzma.open(path, "rt", encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            invoice, item, price = line["InvoiceNo"], line["StockCode"].upper(), float(line["UnitPrice"])
            if invoice.startswith("C") or int(line["Quantity"]) <= 0 or price <= 0 or not _GOODS.fullmatch(item):
                continue
            sold = datetime.fromisoformat(line["InvoiceDate"]).replace(tzinfo=UTC)
            basket = baskets.setdefault(invoice, Basket(sold))
            if item not in basket.items:
                basket.items.append(item)
            product = products.setdefault(item, Product(sold))
            product.prices.append(price)
            product.titles[" ".join(line["Description"].split())] += 1
    return baskets, products


def _events(baskets: Iterable[tuple[str, Basket]], since: datetime, until: datetime) -> list[Event]:
    """The baskets begun in the span, as they would have been filled, in the order of time."""
    found = []
    for invoice, basket in baskets:
        if since <= basket.begun < until:
            ts = int(basket.begun.timestamp())
            for item in basket.items:
                found.append(Event(ts, _hash(invoice, 8), item))
                ts += _GAP_S[int(_hash(f"{invoice} {item}", 4), 16) % len(_GAP_S)]
    return sorted(found)


def _rows(items: Iterable[str], products: dict[str, Product]) -> Iterator[tuple[object, ...]]:
    for item in items:
        product = products[item]
        title = max(product.titles, key=lambda each: (product.titles[each], each))
        yield item, title, f"{statistics.median(product.prices):.2f}", "GBP", f"{product.first_sold:%Y-%m-%dT%H:%M:%SZ}"


def _write(path: Path, columns: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    # No time and no name in the header: the same rows are the same bytes.
    path.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))


def _hash(text: str, size: int) -> str:
    return blake2b(text.encode(), digest_size=size, person=b"nextclick").hexdigest()


if __name__ == "__main__":
    main(sys.argv[1:])
