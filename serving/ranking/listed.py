"""A stored list as it may be shown now: without what is gone, what comes next moved up.

Thirty items lie in the published body, thirty more behind it, kept small. As long as nothing is to be left out, the
body goes out byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

import msgspec
from msgspec import Struct

from schemas import recommendation
from schemas.placement import DEFAULT
from schemas.recommendation import PUBLISHED, Item, Reason, Recommendation, Spare
from serving.ranking import reasons
from serving.ranking.assortment import Stocked
from serving.ranking.ranker import Ranker
from serving.ranking.rules import Rules


class _Named(Struct, frozen=True):
    item_id: str


class _Listed(Struct, frozen=True):
    items: tuple[_Named, ...]


def named(body: bytes) -> list[str]:
    """The items of a published body, and nothing else of it."""
    return [item.item_id for item in msgspec.json.decode(body, type=_Listed).items]


def shown(body: bytes, more: bytes, stocked: Stocked) -> bytes:
    """What goes out of the list without any rule: the very bytes, unless one of its items is not to be had."""
    if not stocked.gone(named(body)):
        return body
    items = whole(body, more, stocked.ranker)
    gone = stocked.gone([item.item_id for item in items])
    left = [item for item in items if item.item_id not in gone]
    return recommendation.encode(restated(recommendation.decode(body), left[:PUBLISHED]))


def placed(body: bytes, more: bytes, stocked: Stocked, rules: Rules, away: Set[str], limit: int) -> Sequence[Item]:
    """What a placement shows of the list. Fewer than `limit` may be left: then it is to be ranked anew."""
    return chosen(whole(body, more, stocked.ranker), stocked, rules, away, limit)


def chosen(items: Sequence[Item], stocked: Stocked, rules: Rules, away: Set[str], limit: int) -> Sequence[Item]:
    """What is shown of ranked items: nothing of what is `away`, nor of what is not to be had."""
    names = [item.item_id for item in items]
    return [items[at] for at in rules.choose(names, away | stocked.gone(names), limit)]


def restated(
    body: Recommendation, items: Sequence[Item], placement: str = DEFAULT, fallback: str | None = None
) -> Recommendation:
    """The same list with these items, ranked from 1; and why it is not the best answer, where there is more to say."""
    ranked = tuple(msgspec.structs.replace(item, rank=rank) for rank, item in enumerate(items, start=1))
    return msgspec.structs.replace(body, items=ranked, placement=placement, fallback=fallback or body.fallback)


def whole(body: bytes, more: bytes, ranker: Ranker) -> list[Item]:
    """All that was ranked, the reasons of the spare ones put into words again."""
    published = recommendation.decode(body).items
    spares = recommendation.decode_spares(more)
    return [
        *published,
        *(
            Item(spare.item_id, rank, spare.score, spare.source, _reason(spare, ranker))
            for rank, spare in enumerate(spares, start=len(published) + 1)
        ),
    ]


def _reason(spare: Spare, ranker: Ranker) -> Reason:
    because = spare.because and ranker.title(spare.because)
    return reasons.again(spare.code, spare.because, because, ranker.category(spare.item_id))
