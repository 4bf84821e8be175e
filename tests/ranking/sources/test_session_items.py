"""The session's own items."""

from __future__ import annotations

from serving.ranking.sources.session_items import SessionItems
from serving.ranking.sources.source import Source
from tests.ranking.sources.laws import SourceLaws, query


class TestSessionItems(SourceLaws):
    def kind(self) -> type[Source]:
        return SessionItems

    def test_the_latest_item_comes_first(self) -> None:
        assert SessionItems().candidates(query(3, 1, 3, 2), 10).ids.tolist() == [2, 3, 1]

    def test_an_item_speaks_for_itself(self) -> None:
        found = SessionItems().candidates(query(3, 1), 10)
        assert found.because.tolist() == found.ids.tolist()
