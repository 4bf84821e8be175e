"""What ranking one session costs, alone and in a batch: of the demo's bundle, and of made-up ones small and large."""

from __future__ import annotations

import pytest

from nextclick.cli import main
from nextclick.sample import BUNDLE

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("length", [1, 3, 10])
def test_the_cost_of_ranking_a_session_in_the_demo(length: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "rank", str(BUNDLE), "--length", str(length)]) == 0
    with capsys.disabled():
        print(f"\n{capsys.readouterr().out}")


@pytest.mark.timeout(900)
def test_the_cost_of_ranking_among_17_000_items_and_among_a_million(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "rank"]) == 0
    with capsys.disabled():
        print(f"\n{capsys.readouterr().out}")
