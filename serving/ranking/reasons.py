"""Why an item is in a list: codes to act on, and the words for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from schemas.recommendation import Reason

#: What a session's events mostly are, and so what stood together in them.
Relation = Literal["bought", "viewed"]

SEEN_IN_SESSION: Final = Reason("seen_in_session", text="You looked at this")
POPULAR: Final = Reason("popular", text="Popular now")
#: Of a candidate that nobody but whoever asked thought of; there is nothing to say to a shopper.
ASKED: Final = Reason("asked")


def together(relation: Relation, item_id: str, title: str) -> Reason:
    """`bought_together` or `viewed_together` with one of the session's items."""
    words = f"{relation.capitalize()} together with {title}"
    return Reason(f"{relation}_together", {"item_id": item_id, "title": title}, words)


def alike(item_id: str, title: str) -> Reason:
    """Like one of the session's items, to the model's mind."""
    return Reason("alike", {"item_id": item_id, "title": title}, f"Goes with {title}")


def popular_in(category: Sequence[str]) -> Reason:
    return Reason("popular_in_category", {"category": " > ".join(category)}, f"Popular in {category[-1]}")


def again(code: str, item_id: str, title: str, category: Sequence[str]) -> Reason:
    """The reason that is kept as its code and the item it names; of a category, the one that its own item is in."""
    match code:
        case "seen_in_session":
            return SEEN_IN_SESSION
        case "bought_together":
            return together("bought", item_id, title)
        case "viewed_together":
            return together("viewed", item_id, title)
        case "alike":
            return alike(item_id, title)
        case "popular_in_category" if category:
            return popular_in(category)
    return POPULAR
