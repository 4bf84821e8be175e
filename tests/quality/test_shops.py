"""Shops that the model has never seen, through the verbs, with nothing set: floors, and how far before the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from nextclick.bench import conditions
from tests.quality.shops import SHOPS, VARIABLE, Shop, folder

#: From so many sessions and items on, fusion must be ahead of every other row, and by so much.
_SESSIONS, _ITEMS = 20_000, 3_000
_AHEAD: Final = {"vmis_knn": {"hit_rate@20": (0.045, 0.25), "mrr@20": (0.025, 0.35)}}
_OWN_SHARE: Final = 0.005
_MEMORY_BYTES: Final = 4 * 10**9
#: Below that a shop says little in one run: three seeds, and never clearly behind any row.
_SMALL: Final = tuple(shop for shop in SHOPS if shop.name in ("online-retail-uci", "eshop-clothing-2008"))
_SEEDS: Final = ("1", "2", "3")


@pytest.mark.quality
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("preset", ["full", "fast"])
@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.name)
def test_fusion_is_ahead_on_a_shop_nobody_tuned_for(shop: Shop, preset: str, tmp_path: Path) -> None:
    # given
    shop, data = given(shop, tmp_path)

    # when
    trained = run("train", *shop.training(data), "--out", str(tmp_path / "bundle"), "--preset", preset)
    found = run("evaluate", str(tmp_path / "bundle"), *shop.evaluation(data))

    # then
    _print(shop.name, preset, trained, found)
    rows, fusion = found["rows"], found["rows"]["fusion"]
    assert trained["peak_memory_bytes"] < _MEMORY_BYTES
    assert shop.predictions in (None, found["predictions"])
    for name, least in shop.floors.items() if preset == "full" else ():
        assert (found["pool"][name] if name in found["pool"] else fusion[name]) >= least, name
    if trained["sessions"] >= _SESSIONS and trained["items"] >= _ITEMS:
        for lead in found["differences"]:
            if lead["row"] == "fusion":
                assert lead["intervals"]["hit_rate@20"][0] > 0, lead
                assert lead["intervals"]["mrr@20"][0] > 0, lead
        for row, metrics in _AHEAD.items():
            for metric, (points, share) in metrics.items():
                assert fusion[metric] - rows[row][metric] >= min(points, share * rows[row][metric]), (row, metric)
        assert fusion["hit_rate@20"] - rows["fusion_no_transformer"]["hit_rate@20"] >= _OWN_SHARE


@pytest.mark.quality
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("shop", _SMALL, ids=lambda shop: shop.name)
def test_on_a_small_shop_no_row_is_clearly_ahead_of_fusion_whatever_the_seed(shop: Shop, tmp_path: Path) -> None:
    # given
    shop, data = given(shop, tmp_path)

    for seed in _SEEDS:
        # when
        bundle = str(tmp_path / f"bundle-{seed}")
        trained = run("train", *shop.training(data), "--out", bundle, "--seed", seed)
        found = run("evaluate", bundle, *shop.evaluation(data))

        # then
        _print(shop.name, f"seed {seed}", trained, found)
        assert trained["sessions"] < _SESSIONS or trained["items"] < _ITEMS
        for lead in found["differences"]:
            if lead["row"] == "fusion":
                for metric, (_, most) in lead["intervals"].items():
                    assert most >= 0, (metric, lead)


def given(shop: Shop, tmp_path: Path) -> tuple[Shop, Path]:
    """The shop, and the folder its logs are in."""
    data = folder()
    if data is None:
        pytest.skip(f"{VARIABLE} does not name a folder with the logs")
    if shop.prepared is None:
        return shop, data
    shop.prepared(data / shop.log, tmp_path / "log.csv")
    return replace(shop, log="log.csv"), tmp_path


def run(verb: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "nextclick", verb, *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _print(shop: str, how: str, trained: dict[str, Any], found: dict[str, Any]) -> None:
    counts = ", ".join(f"{trained[what]:,} {what}" for what in ("events", "sessions", "items"))
    memory, asked = f"{trained['peak_memory_bytes'] / 1e9:.2f} GB", f"{found['predictions']:,} predictions"
    print(f"\n{shop}, {how}: {conditions.line('torch', 'onnxruntime', 'numba')}")
    print(f"  {counts}; {trained['seconds']}, {memory}; {asked} in {found['seconds']} s")
    for name, row in found["rows"].items():
        figures = "  ".join(f"{metric} {row[metric]:.4f}" for metric in ("hit_rate@20", "mrr@20", "ndcg@20"))
        print(f"  {name:22} {figures}")
    print(f"  pool {found['pool']}")
    for lead in found["differences"]:
        print(f"  {lead['row']} - {lead['minus']}: {lead['intervals']}")
