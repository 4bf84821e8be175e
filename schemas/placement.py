"""A placement: a spot in the shop that shows recommendations, and the rules that it shows them by.

    [basket]
    limit = 8
    hide = ["seen", "bought", "cart"]
    per_brand = 2
    boost = [{brand = "Ash", places = 5}]
    bury = [{category = ["Garden", "Sale"], places = 60}]

The file names what it sets; what it does not say is as here. docs/placements.md tells what each does.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self, get_args

import msgspec
from msgspec import Meta, Struct

from schemas.errors import SettingsError
from schemas.recommendation import PUBLISHED, STORED
from schemas.wire import ItemId

#: What the worker stores and publishes: whatever is to be had, no other rule.
DEFAULT: Final = "default"

#: What it may say all the same.
_OF_DEFAULT: Final = ("similar_share", "fallback")

PlacementName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")]
#: Of a session's items: those it looked at, bought, has in its cart, was shown.
Touched = Literal["seen", "bought", "cart", "shown"]
#: Where nothing is known of the session.
Instead = Literal["popular", "nothing"]
_Places = Annotated[int, Meta(ge=1, le=STORED)]
_Cap = Annotated[int, Meta(ge=1, le=STORED)]
_Step = Annotated[str, Meta(min_length=1, max_length=512)]


class Shift(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which items stand so many places before, or behind, where they were ranked: one of the three says which."""

    places: _Places
    brand: _Step | None = None
    #: Path from the root; what lies below is meant too.
    category: Annotated[tuple[_Step, ...], Meta(min_length=1, max_length=16)] | None = None
    item: ItemId | None = None

    def __post_init__(self) -> None:
        if [self.brand, self.category, self.item].count(None) != 2:
            raise ValueError("names one of brand, category and item")


class Placement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: PlacementName
    #: How many are shown where the request does not say.
    limit: Annotated[int, Meta(ge=1, le=PUBLISHED)] = PUBLISHED
    #: Items of the session that are not shown to it.
    hide: frozenset[Touched] = frozenset()
    #: At most so many of one brand, of one category.
    per_brand: _Cap | None = None
    per_category: _Cap | None = None
    boost: tuple[Shift, ...] = ()
    bury: tuple[Shift, ...] = ()
    #: Of similar items: how much the session has to say in their order, beside likeness. None: as the product sets it.
    similar_share: Annotated[float, Meta(ge=0, le=1)] | None = None
    #: What is shown where nothing is known of the session.
    fallback: Instead = "popular"

    @property
    def is_neutral(self) -> bool:
        """Whether a list stands as it was ranked."""
        return self == type(self)(name=self.name, similar_share=self.similar_share, fallback=self.fallback)

    @classmethod
    def default(cls) -> Self:
        return cls(name=DEFAULT)


#: Of the members whose values are words.
_WORDS: Final[Mapping[str, Sequence[str]]] = {"hide": get_args(Touched), "fallback": get_args(Instead)}


def read(text: str, source: str) -> Mapping[str, Placement]:
    """By name, `default` among them. SettingsError names the place in `source` that is wrong, and what is allowed."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source} is no TOML: {error}; docs/placements.md shows what it looks like") from None
    found = {name: _placement(name, table, source) for name, table in tables.items()}
    found.setdefault(DEFAULT, Placement.default())
    if not found[DEFAULT].is_neutral:
        raise SettingsError(
            f"{source}: [{DEFAULT}] is what workers publish and has no rules: "
            f"allowed there are {' and '.join(_OF_DEFAULT)}; give the rules a placement of their own"
        )
    return found


def _placement(name: str, table: Any, source: str) -> Placement:
    if not isinstance(table, dict):
        if name in Placement.__struct_fields__:
            places = f"[{DEFAULT}], or " if name in _OF_DEFAULT else ""
            raise SettingsError(
                f"{source}: {name!r} stands in no table; put it below {places}the name of its placement, such as "
                "[basket]"
            )
        raise SettingsError(f"{source}: {name!r} must be a table; write [{name}], and what it sets below")
    if "name" in table:
        raise SettingsError(f"{source}: [{name}] name: the table's name is the placement's; leave it out")
    try:
        return msgspec.convert({**table, "name": name}, Placement)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        member = where.rstrip("`").removeprefix(".")
        if member == "name":
            raise SettingsError(
                f"{source}: {name!r} is no name of a placement; take 1 to 64 letters, digits, dashes and underscores"
            ) from None
        place, there = f"[{name}] {member}".strip(), _allowed(member, what)
        allowed = f"allowed there: {', '.join(there)}; docs/placements.md tells what each does"
        said = allowed if there else "docs/placements.md lists what is allowed"
        raise SettingsError(f"{source}: {place}: {what}; {said}") from None


def _allowed(member: str, what: str) -> Sequence[str]:
    """The members, or the words, that there are; empty where it is a matter of bounds."""
    if "unknown field" in what:  # of a shift, if of any member
        return Shift.__struct_fields__ if member else [each for each in Placement.__struct_fields__ if each != "name"]
    return _WORDS.get(member.partition("[")[0], ())
