"""What the fields of a click may be, said of whole columns: the rules of schemas.click, as expressions.

Each rule is true where the row is at fault.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, get_args

import polars as pl

from schemas.click import EventType
from serving.ranking.sessions import DEEDS
from training import clock
from training.clock import Clock

#: Event types by code: what enters sessions first, as sessions have it.
TYPES: Final[tuple[EventType, ...]] = (*DEEDS, *(kind for kind in get_args(EventType) if kind not in DEEDS))

LABELS: Final = ("user_id", "recommendation_id", "placement", "market")

_ID_MAX: Final = 128
_EVENT_ID_MAX: Final = 64
_ITEMS_MAX: Final = 30
_CONTROL: Final = r"[\x00-\x1f\x7f]"
#: Texts and numbers, and nothing within them.
_PLAIN_LIST: Final = r'^\[(?:(?:"(?:[^"\\]|\\.)*"|-?[0-9][^,\]]*),?)*\]$'
_SCHEMA: Final = "nextclick.click/1"
_YES: Final = ("true", "1")
_NO: Final = ("false", "0")


def typed(frame: pl.DataFrame, kind: Clock) -> list[pl.Expr]:
    """The columns as a click has them, null where it cannot: `type` by its code, and what is absent as it is meant."""
    event = pl.col("type").fill_null("view") if "type" in frame.columns else pl.lit("view")
    told = pl.col("consent").fill_null("true").str.to_lowercase() if "consent" in frame.columns else pl.lit("true")
    made = [
        clock.millis(kind).alias("ts"),
        event.cast(pl.Enum(TYPES), strict=False).to_physical().alias("type"),
        pl.when(told.is_in(_YES))
        .then(pl.lit(value=True))
        .when(told.is_in(_NO))
        .then(pl.lit(value=False))
        .alias("consent"),
    ]
    return [*made, _listed(frame["items"].dtype).alias("items")] if "items" in frame.columns else made


def _listed(kind: pl.DataType) -> pl.Expr:
    """Ids from a column of lists, or of their JSON; what is neither becomes an id that none may have."""
    value = pl.col("items")
    if kind.is_nested():
        return value.cast(pl.List(pl.String), strict=False)
    plain = value.str.contains(_PLAIN_LIST) & value.str.json_path_match("$").is_not_null()
    return pl.when(plain | value.is_null()).then(value).otherwise(pl.lit('[""]')).str.json_decode(pl.List(pl.String))


def faults(columns: Collection[str]) -> dict[str, pl.Expr]:
    """Reason -> the rows at fault, in columns that `typed` has been through. A row has the first that fits."""
    item, event = pl.col("item_id"), pl.col("type")
    shown = pl.lit(value=False)
    rules = {
        "schema": pl.col("schema") != _SCHEMA,
        "ts": pl.col("ts").is_null(),
        "event_id": _is_unprintable(pl.col("event_id"), _EVENT_ID_MAX),
        "session_id": pl.col("session_id").is_null() | _is_no_identifier(pl.col("session_id")),
        "type": event.is_null(),
    }
    if "items" in columns:
        listed = pl.col("items").list
        shown = (event == TYPES.index("impression")) & (listed.len() > 0)
        each = pl.element().is_null() | _is_unprintable(pl.element(), _ID_MAX)
        rules["items"] = listed.eval(each).list.any() | (listed.len() > _ITEMS_MAX) | (~shown & (listed.len() > 0))
    rules |= {
        "item_id": _is_unprintable(item, _ID_MAX) | (item.is_null() & ~shown.fill_null(value=False)),
        "consent": pl.col("consent").is_null(),
        **{label: _is_unprintable(pl.col(label), _ID_MAX) for label in LABELS},
    }
    return {reason: rule.fill_null(value=False) for reason, rule in rules.items() if reason in columns}


def _is_unprintable(text: pl.Expr, longest: int) -> pl.Expr:
    return ~text.str.len_chars().is_between(1, longest) | text.str.contains(_CONTROL)


def _is_no_identifier(text: pl.Expr) -> pl.Expr:
    return ~text.str.len_bytes().is_between(1, _ID_MAX) | text.str.contains(r"[^A-Za-z0-9_-]")
