"""The report: one HTML page that needs nothing but itself, from facts alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.markup import Markup, element, joined
from training.report.facts import Facts
from training.report.origins import data, item_map, learning, making, span
from training.report.results import in_short, results
from training.report.style import STYLE
from training.report.table import Section
from training.report.wording import moment, plural

#: Whatever a title may have smuggled in, the browser fetches nothing and runs nothing.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page(facts: Facts) -> str:
    sections = [
        in_short(facts.evaluation, facts.left_out),
        *results(facts.evaluation, facts.left_out),
        item_map(facts.atlas),
        learning(facts.curves),
        data(facts.profile),
        making(facts.manifest),
    ]
    title = f"Bundle {facts.manifest.version}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", title),
        element("style", STYLE),
    )
    main = element("main", *map(_section, sections))
    made = element("html", head, element("body", _header(facts, title, sections), main), lang="en")
    return joined(Markup("<!doctype html>\n"), made, "\n")


def _section(part: Section) -> Markup:
    return element("section", element("h2", part.title), part.what, id=part.anchor)


def _header(facts: Facts, title: str, sections: Sequence[Section]) -> Markup:
    profile, made = facts.profile, moment(facts.manifest.created_at)
    origin = (
        f"From {plural(profile.events, 'event')} of {plural(profile.sessions, 'session')}, "
        f"{plural(profile.items, 'item')}. {span(profile)}. Made {made} UTC."
    )
    links = (element("li", element("a", part.title, href=f"#{part.anchor}")) for part in sections)
    contents = element("nav", element("ul", *links), aria_label="Contents")
    return element("header", element("h1", title), element("p", origin, class_="soft"), contents)
