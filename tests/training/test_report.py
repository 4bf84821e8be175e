"""The report and the card: all that was measured is there, nothing comes from outside, no title becomes a tag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from schemas.bundle import UNSEALED, Data, Golden, Manifest
from schemas.item import Item
from serving.ranking.table import Table
from tests.worlds.shelf import HOUR_MS, ITEMS, Listing, Oracle, at, trained, walk
from training.evaluate import Evaluation, Switches, evaluate
from training.field import Field
from training.learning import Curves
from training.profile import Profile
from training.report.atlas import Atlas
from training.report.card import card
from training.report.facts import Facts
from training.report.page import page

MANIFEST = Manifest(
    version="0123456789ab",
    counts_version="ba9876543210",
    created_at=1_700_000_000_000,
    command="nextclick train clicks.csv --out bundle",
    seed=0,
    versions={"numpy": "2.4.6"},
    parameters={"preset": "fast", "drop_last_item": True},
    data=Data(events=9, sessions=3, items=8, first_ts=0, last_ts=1, log_sha256=UNSEALED),
    files={},
    golden=Golden(now=0, sessions=()),
    seconds={"read": 1.5, "base": 75.0},
    peak_memory_bytes=300 * 2**20,
    sha256=UNSEALED,
)
CURVES = Curves(base=(5.1, 4.2), refit=(4.0,), correction=(2.5, 2.4, 2.45), blind=(2.6,))
HOSTILE = '</title></svg></style><script src="https://x.example/y.js">alert(1)</script><img src=x onerror=alert(1)>'

ROWS = ("transformer", "transformer_pool", "fusion_no_transformer", "fusion")


def measured() -> Evaluation:
    past, test = at([[0, 0, 0, 1], [1, 2]], 0, 10), at(walk(1, 2, 3, length=6), *(HOUR_MS + s for s in range(3)))
    competing = Field(Oracle(), past, rows=("popularity", *ROWS), baselines={"popularity": Listing.fit})
    return evaluate(test, trained(past), competing, Switches(), threads=1)


def table(items: int, category: str = "Lamps", title: str = "A lamp") -> Table:
    """Even items are of one category, and more of them are drawn."""
    known = [
        Item(item_id=f"i-{at:03}", title=f"{title} {at}", category=("Home",) if at % 3 else (category, "small"))
        for at in range(items)
    ]
    return Table.make((), {item.item_id: item for item in known})


def atlas(items: int = 12, width: int = 4, seed: int = 0, of: Table | None = None) -> Atlas | None:
    vectors = np.random.default_rng(seed).normal(size=(items, width)).astype(np.float16)
    return Atlas.of(vectors, np.arange(items, 0, -1), of or table(items))


@pytest.fixture(scope="module")
def facts() -> Facts:
    profile = Profile.of(at([[0, 0, 0, 1], [1, 2], [3]], 0, 10, HOUR_MS), table(ITEMS))
    return Facts(MANIFEST, measured(), CURVES, profile, atlas())


@dataclass
class Read(HTMLParser):
    """A page as a browser takes it."""

    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Read:
    reader = Read()
    reader.feed(html)
    reader.close()
    return reader


def cells(html: str) -> list[str]:
    """What stands at the head of each row of each table."""
    return [part.split("</th>")[0].split("<small>")[0] for part in html.split('<th scope="row">')[1:]]


def test_the_page_needs_nothing_from_outside(facts: Facts) -> None:
    # when
    found = read(page(facts))

    # then
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form", "video"} & set(found.tags)
    names = {name for name, _ in found.attributes}
    assert not {"src", "srcset", "style", "xlink:href"} & names
    assert not [name for name in names if name.startswith("on")]
    anchors = {value for name, value in found.attributes if name == "id"}
    assert {value for name, value in found.attributes if name == "href"} == {f"#{anchor}" for anchor in anchors}
    assert "url(" not in found.text
    assert "@import" not in found.text
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes


def test_every_chart_has_a_name_for_who_cannot_see_it(facts: Facts) -> None:
    found = read(page(facts))
    assert found.tags.count("svg") >= 12
    assert found.tags.count("svg") == sum(name == "aria-label" for name, _ in found.attributes) - 1  # the contents


def test_every_row_of_the_evaluation_is_in_the_page_and_in_the_card(facts: Facts) -> None:
    assert facts.evaluation is not None
    html, words = page(facts), card(facts).replace("\\", "")
    heads = cells(html)
    for row, found in facts.evaluation.rows.items():
        assert row in heads
        for metric, value in found.values.items():
            low, high = found.intervals[metric]
            assert f"{value:.4f}<small>{low:.4f} to {high:.4f}</small>" in html
        assert f"| `{row}` | {found.values['hit_rate@20']:.4f} | " in words


def test_what_the_transformer_adds_is_said_with_its_interval(facts: Facts) -> None:
    assert facts.evaluation is not None
    [found] = [each.figures for each in facts.evaluation.differences if each.minus == "fusion_no_transformer"]
    low, high = found.intervals["hit_rate@20"]
    told = f"{found.values['hit_rate@20'] * 100:+.2f}", f"{low * 100:+.2f} to {high * 100:+.2f}"
    for document in (read(page(facts)).text, card(facts)):
        assert all(part in document for part in told)


def test_few_sessions_are_called_few(facts: Facts) -> None:
    for document in (read(page(facts)).text, card(facts)):
        assert "These figures come from 3 sessions: too few" in document


def test_a_log_too_small_to_measure_makes_a_page_that_says_so(facts: Facts) -> None:
    # given
    small = replace(facts, evaluation=None, curves=Curves(), atlas=None)

    # when
    html, words = page(small), card(small)

    # then
    assert "Nothing was measured" in html
    assert "Nothing was measured" in words
    assert "too few items for a map" in html
    assert facts.manifest.command in html
    assert f"    {facts.manifest.command}" in words.splitlines()


def test_an_evaluation_without_the_ranker_makes_a_page_too(facts: Facts) -> None:
    # given
    past, test = at([[0, 1, 2]], 0), at([[3, 4]], HOUR_MS)
    alone = evaluate(test, trained(past), Field(Oracle(), past, rows=("popularity",)), Switches(), threads=1)

    # when
    html, words = page(replace(facts, evaluation=alone)), card(replace(facts, evaluation=alone))

    # then
    assert "popularity" in cells(html)
    assert "| `popularity` |" in words


def test_the_same_values_give_the_same_documents(facts: Facts) -> None:
    again = replace(facts, evaluation=measured(), atlas=atlas())
    assert page(again) == page(facts)
    assert card(again) == card(facts)


def everywhere(facts: Facts, text: str) -> Facts:
    """The text wherever a log, a catalogue or a command line may put one."""
    assert facts.atlas is not None
    assert facts.evaluation is not None
    groups = replace(facts.atlas.groups, names=(text, *facts.atlas.groups.names[1:]))
    landmarks = (replace(facts.atlas.landmarks[0], title=text, near=(text,)), *facts.atlas.landmarks[1:])
    manifest = structs.replace(
        facts.manifest, version=text, command=text, versions={"numpy": text}, parameters={"preset": text}
    )
    protocol = {**facts.evaluation.protocol, "bundle": text, "sessions": text, "task": text}
    return replace(
        facts,
        manifest=manifest,
        evaluation=replace(facts.evaluation, protocol=protocol),
        atlas=replace(facts.atlas, groups=groups, landmarks=landmarks),
    )


TEXTS = st.one_of(
    st.text(min_size=1, max_size=40),
    st.text(alphabet="<>&\"'/!-=` \n\r\t;scriptx[]()", min_size=1, max_size=40),
    st.sampled_from([HOSTILE, "--><b>", "]]>", "&lt;b&gt;", "<!--", "javascript:x", "\u202egnp.exe", "`````\n# x"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(text=TEXTS)
def test_whatever_a_shop_calls_its_things_is_text_and_no_tag(facts: Facts, text: str) -> None:
    # when
    harmless, hostile = (read(page(everywhere(facts, each))) for each in ("x", text))

    # then
    assert hostile.tags == harmless.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in harmless.attributes]
    assert text in hostile.text


@given(text=TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_no_text_leaves_its_line_of_the_card(facts: Facts, text: str) -> None:
    # when
    lines, plain = (card(everywhere(facts, each)).split("\n") for each in (text, "x"))

    # then: as many headings and rows, and nothing of HTML that is not escaped or code
    assert [line for line in lines if line.startswith("#")][1:] == [line for line in plain if line.startswith("#")][1:]
    assert sum(line.startswith("|") for line in lines) == sum(line.startswith("|") for line in plain)
    for line in lines:
        assert line.startswith("    ") or "<" not in line.replace("\\<", "")


def test_a_hostile_catalogue_stays_text_all_the_way(facts: Facts) -> None:
    # given
    hostile, harmless = (atlas(of=table(12, category=text, title=text)) for text in (HOSTILE, "Lamps"))

    # when
    found, plain = (read(page(replace(facts, atlas=each))) for each in (hostile, harmless))

    # then
    assert found.tags == plain.tags
    assert HOSTILE in found.text


@pytest.mark.parametrize("items", [0, 1, 2, 3, 9])
def test_too_few_items_make_no_map(items: int) -> None:
    assert atlas(items) is None


@pytest.mark.parametrize("width", [1, 2, 40])
def test_ten_items_make_a_map_however_wide_their_vectors(width: int) -> None:
    found = atlas(10, width)
    assert found is not None
    assert found.pca.shape == found.tsne.shape == (10, 2)
    assert np.isfinite(found.pca).all()
    assert np.isfinite(found.tsne).all()


def test_vectors_that_are_all_one_make_no_map() -> None:
    vectors = np.tile(np.random.default_rng(0).normal(size=8).astype(np.float16), (20, 1))
    assert Atlas.of(vectors, np.ones(20, dtype=np.int64), table(20)) is None


def test_a_map_draws_the_most_popular_items_of_a_great_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setattr("training.report.atlas._MOST", 15)
    vectors = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float16)
    touched = np.zeros(400, dtype=np.int64)
    touched[[7, 300, 12]] = 5, 9, 5

    # when
    found = Atlas.of(vectors, touched, table(400))

    # then
    assert found is not None
    assert len(found) == 15
    assert [landmark.title for landmark in found.landmarks[:3]] == ["A lamp 300", "A lamp 7", "A lamp 12"]


def test_a_map_finds_the_categories_that_the_vectors_hold() -> None:
    # given: two heaps, and every item in that of its category
    chance = np.random.default_rng(0)
    heaps = np.where(np.arange(40)[:, None] % 3, 1.0, -1.0) * np.eye(6)[0] * 5 + chance.normal(size=(40, 6)) * 0.1

    # when
    found = Atlas.of(heaps.astype(np.float16), np.ones(40, dtype=np.int64), table(40))

    # then
    assert found is not None
    assert (found.groups.by, found.groups.names) == ("category", ("Home", "Lamps", "others"))
    assert found.groups.alike == 1.0
    assert found.groups.by_chance == pytest.approx((26 * 25 + 14 * 13) / (40 * 39))
    home = found.groups.of == 0
    for laid in (found.pca, found.tsne):
        within = np.linalg.norm(laid[home] - laid[home].mean(axis=0), axis=1).max()
        assert np.linalg.norm(laid[~home] - laid[home].mean(axis=0), axis=1).min() > within


@pytest.mark.parametrize(
    ("categories", "by", "names"),
    [
        ({}, "popularity", ("most popular 1%", "1-10%", "10-50%", "50-100%")),
        (dict.fromkeys(range(12), ("Home",)), "popularity", ("most popular 1%", "1-10%", "10-50%", "50-100%")),
        ({at: ("Home", "ab"[at % 2]) for at in range(11)}, "category", ("Home > a", "Home > b", "others")),
    ],
    ids=["none", "one", "below the first"],
)
def test_colours_are_categories_where_there_are_two(
    categories: Mapping[int, tuple[str, ...]], by: str, names: tuple[str, ...]
) -> None:
    items = {f"i-{at:03}": Item(item_id=f"i-{at:03}", category=categories.get(at, ())) for at in range(12)}
    found = atlas(of=Table.make((), items))
    assert found is not None
    assert (found.groups.by, found.groups.names) == (by, names)
