"""Dead letters of every kind, written down as the worker writes them, without having to kill one for it."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.topics import Topics
from stream import dead
from stream.intake import Delivery, Letter
from tests.kit import topic
from tests.kit.shop import Shop
from tests.worlds.histories import START_MS


def letter(
    offset: int,
    value: bytes | None = b"{",
    key: bytes | None = b"s1",
    reason: str = "invalid",
    detail: str = "Object missing required field `ts`",
    partition: int = 3,
    time: int = START_MS,
    headers: Sequence[tuple[str, bytes]] = (),
) -> Letter:
    return Letter(Delivery(key, value, headers, partition, offset, time, lambda: None), reason, detail)


def written(letters: Sequence[Letter], names: Topics) -> list[topic.Raw]:
    """As they come to lie on the dead-letter topic."""
    records = dead.letters(letters, names)
    return [topic.Raw(each.key, each.value, each.headers, 0, at, START_MS) for at, each in enumerate(records)]


def bury(shop: Shop, letters: Sequence[Letter]) -> None:
    records = [(raw.key, raw.value, raw.headers) for raw in written(letters, shop.names)]
    topic.produce(shop.settings.kafka, shop.names.dead, records)
