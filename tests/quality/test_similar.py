"""Similar items: how much a session may say before lists are no longer like their anchor."""

from __future__ import annotations

import csv
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from nextclick.bench import conditions
from nextclick.cli import parser
from nextclick.verbs.declare import log_of
from serving.ranking.similar import SHARE
from serving.state import bundles
from tests.quality.shops import SHOPS, folder
from tests.quality.test_shops import given, run
from training import past
from training.predictions import Predictions, told_by
from training.similar import Worth, cases, measure

SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Of what plain lists have.
_LIKENESS_KEPT: Final = 0.95
_CASES: Final = 10_000
#: The roots of amazon-beauty-s3rec's tree; what stands before one among an item's attributes is its brand.
_ROOTS: Final = {"Makeup", "Skin Care", "Hair Care", "Fragrance", "Bath & Body", "Tools & Accessories"}


def named(source: Path, target: Path) -> None:
    """online-retail-uci: titles and prices."""
    with lzma.open(source, "rt", encoding="utf-8", newline="") as read, target.open("w", newline="") as write:
        writer = csv.writer(write)
        writer.writerow(("item_id", "title", "price"))
        for row in csv.DictReader(read):
            writer.writerow((row["StockCode"], row["description"], row["price_median"]))


def sorted_in(source: Path, target: Path) -> None:
    """amazon-beauty-s3rec: titles, brands, and categories as paths."""
    with lzma.open(source, "rt", encoding="utf-8", newline="") as read, target.open("w", newline="") as write:
        writer = csv.writer(write)
        writer.writerow(("item_id", "title", "brand", "category"))
        for row in csv.DictReader(read):
            said = row["attributes"].split("|")
            root = next((at for at, each in enumerate(said) if each in _ROOTS), len(said))
            brand = said[0] if root == 1 and said[0] != "Unknown" else ""
            writer.writerow((row["item"], row["title"], brand, " > ".join(said[root:])))


CATALOGUES: Final[dict[str, tuple[str, Callable[[Path, Path], None]] | None]] = {
    "yoochoose-5day": None,
    "online-retail-uci": ("online-retail-uci/catalogue.csv.xz", named),
    "amazon-beauty-s3rec": ("amazon-beauty-s3rec/items.csv.xz", sorted_in),
}


@pytest.mark.quality
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("name", CATALOGUES)
def test_with_the_share_that_a_session_has_by_default_lists_stay_like_their_anchor(name: str, tmp_path: Path) -> None:
    # given
    [shop] = [each for each in SHOPS if each.name == name]
    described = CATALOGUES[name]
    shop, data = given(shop, tmp_path)
    arguments = shop.training(data)
    if described is not None:
        source, prepare = described
        prepare((folder() or data) / source, tmp_path / "catalogue.csv")
        arguments += ["--catalog", str(tmp_path / "catalogue.csv")]

    # when
    bundle = str(tmp_path / "bundle")
    run("train", *arguments, "--out", bundle, "--preset", "fast")
    found = table(bundle, shop.evaluation(data))

    # then
    show(name, found)
    assert found[SHARE].likeness >= _LIKENESS_KEPT * found[0.0].likeness
    assert found[SHARE].hit_rate >= found[0.0].hit_rate


def table(bundle: str, log: list[str]) -> dict[float, Worth]:
    ranker = bundles.load(Path(bundle))
    asked = parser().parse_args(["evaluate", bundle, *log])
    test = told_by(ranker.table, past.gather(log_of(asked), {}, bots=True).past)
    return measure(ranker, cases(ranker, Predictions.of(test), _CASES, seed=1), SHARES)


def show(shop: str, found: dict[float, Worth]) -> None:
    print(f"\n{shop}: {conditions.line('onnxruntime', 'numba')}")
    for share, worth in found.items():
        print(
            f"  share {share:4}  hit_rate@30 {worth.hit_rate:.4f}  likeness@30 {worth.likeness:.4f} of {worth.likened}"
        )
