"""A placement: what a shop may write of one, and how it is told what is wrong."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from schemas.errors import SettingsError
from schemas.placement import DEFAULT, Placement, Shift, read

WHOLE = """
[basket]
limit = 8
hide = ["seen", "cart"]
per_brand = 2
per_category = 3
boost = [{brand = "Ash", places = 5}, {item = "lamp", places = 60}]
bury = [{category = ["Garden", "Sale"], places = 10}]
similar_share = 0.25
fallback = "nothing"

[home]
"""


def test_what_the_file_says_is_what_a_placement_is() -> None:
    found = read(WHOLE, "shop.toml")

    assert found["basket"] == Placement(
        name="basket",
        limit=8,
        hide=frozenset({"seen", "cart"}),
        per_brand=2,
        per_category=3,
        boost=(Shift(brand="Ash", places=5), Shift(item="lamp", places=60)),
        bury=(Shift(category=("Garden", "Sale"), places=10),),
        similar_share=0.25,
        fallback="nothing",
    )
    assert found["home"] == Placement(name="home")


def test_the_default_is_there_whatever_the_file_says_and_has_no_rule() -> None:
    assert read("", "shop.toml") == {DEFAULT: Placement.default()}
    assert read("[default]\nsimilar_share = 0.5", "shop.toml")[DEFAULT].is_neutral
    with pytest.raises(SettingsError, match=r"\[default\] is what workers publish"):
        read("[default]\nper_brand = 2", "shop.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[home", r"shop\.toml is no TOML"),
        ("home = 1", r"'home' must be a table; write \[home\]"),
        ("limit = 4", r"'limit' stands in no table; put it below the name of its placement"),
        ("similar_share = 0.5", r"'similar_share' stands in no table; put it below \[default\], or the name"),
        ('[home]\nname = "basket"', r"\[home\] name: .*; leave it out"),
        ("[home]\nlimit = 31", r"shop\.toml: \[home\] limit: Expected `int` <= 30"),
        ('[home]\nhide = ["looked"]', r"\[home\] hide\[0\]: .*'looked'; allowed there: seen, bought, cart, shown;"),
        ('[home]\nhide = "seen"', r"\[home\] hide: Expected `array`, .*allowed there: seen, bought, cart, shown;"),
        ('[home]\nfallback = "none"', r"\[home\] fallback: .*'none'; allowed there: popular, nothing;"),
        ("[home]\nper_brand = 0", r"\[home\] per_brand: Expected `int` >= 1"),
        ("[home]\ncolour = 1", r"\[home\]: .*unknown field `colour`; allowed there: limit, .*, fallback;"),
        ('[home]\nboost = [{bran = "Ash", places = 2}]', r"\[home\] boost\[0\]: .*`bran`; allowed there: places,"),
        ('[home]\nboost = [{brand = "Ash"}]', r"\[home\] boost\[0\].*missing required field `places`"),
        ("[home]\nboost = [{places = 2}]", r"\[home\] boost\[0\].*names one of brand, category and item"),
        ('[home]\nbury = [{brand = "Ash", item = "lamp", places = 2}]', r"\[home\] bury\[0\].*names one of"),
        ("[home]\nsimilar_share = nan", r"\[home\] similar_share"),
        ('["a b"]', r"'a b' is no name of a placement; take 1 to 64 letters, digits, dashes and underscores$"),
        (f"[{'x' * 65}]", r"'x+' is no name of a placement; take 1 to 64"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read(text, "shop.toml")


def test_the_page_tells_the_bounds_that_there_are() -> None:
    page = (Path(__file__).parents[2] / "docs" / "placements.md").read_text(encoding="utf-8").replace("\n", " ")
    told = msgspec.json.schema(Placement)["$defs"]["Placement"]["properties"]
    most = {name: max(kind.get("maximum", 0) for kind in (each, *each.get("anyOf", ()))) for name, each in told.items()}

    assert f"| `limit`, 1 to {most['limit']} | {most['limit']} |" in page
    assert most["per_brand"] == most["per_category"]
    assert f"| `per_brand`, `per_category`, 1 to {most['per_brand']} |" in page
    assert f"1 to {told['name']['maxLength']} letters, digits, dashes and underscores" in page
