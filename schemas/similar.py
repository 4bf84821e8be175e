"""What GET /v1/items/{item_id}/similar answers. No time is told: the same list is the same bytes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.placement import DEFAULT
from schemas.recommendation import PUBLISHED, Item, Model
from schemas.wire import ItemId


class SimilarItems(Struct, frozen=True, kw_only=True, tag_field="schema", tag="nextclick.similar/1"):
    item_id: ItemId
    model: Model
    placement: str = DEFAULT
    items: Annotated[tuple[Item, ...], Meta(max_length=PUBLISHED)] = ()
    #: How many candidates the items were chosen from.
    pool_size: int = 0
    #: Whether a session had a say in the order.
    personal: bool = False
    #: Why it is not the best answer; null when it is.
    fallback: str | None = None
