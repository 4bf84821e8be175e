"""MODEL_CARD.md: what a bundle is, what it was measured to do, and what it is not good for, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from training.contest import FUSION
from training.evaluate import Evaluation
from training.figures import Band
from training.report.facts import Facts
from training.report.origins import span
from training.report.results import HIT_RATE, RECIPROCAL, WITHOUT, best_other, caveats, lead, nothing
from training.report.wording import (
    between,
    count,
    duration,
    figure,
    moment,
    named,
    percent,
    plural,
    points,
    points_between,
    said,
    size,
)

#: What Markdown, or HTML within it, would take for its own.
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>#!|&~])")
#: A band with fewer predictions says little.
_TELLING: Final = 30
_SPACE: Final = "\N{NO-BREAK SPACE}"


def card(facts: Facts) -> str:
    parts = [*_what(facts), *_measured(facts.evaluation, facts.left_out), *_limits(facts), *_made(facts)]
    return "\n".join([*parts, ""])


def plain(text: str) -> str:
    """Text that Markdown shows as it stands, on one line."""
    return _SPECIAL.sub(r"\\\1", printable(" ".join(text.split())))


def printable(text: str) -> str:
    """Text in which nothing moves the cursor of the terminal that shows it."""
    return "".join(each if each.isprintable() or each == _SPACE else repr(each)[1:-1] for each in text)


def _what(facts: Facts) -> Iterator[str]:
    profile = facts.profile
    yield f"# Bundle {plain(facts.manifest.version)}"
    yield ""
    yield "Ranks the items of one shop for a shopper by what the session has touched so far, and says why each stands"
    yield "there. It knows no person: no account, no history beyond the session, no personal trait."
    yield ""
    yield "## What it was made from"
    yield ""
    yield f"- {plural(profile.events, 'event')} of {plural(profile.sessions, 'session')}; {span(profile)}"
    told = ", ".join(f"{named(name)} {percent(share)}" for name, share in profile.told.items())
    yield f"- {plural(profile.items, 'item')}, {percent(profile.spread.reached)} of them touched; catalogue: {told}"
    yield f"- the log: sha256 `{facts.manifest.data.log_sha256}`"
    if facts.left_out:
        oldest = plural(facts.left_out, "session")
        yield f"- not learned from: the oldest {oldest} of it, for which --max-minutes left no time"
    yield ""


def _measured(evaluation: Evaluation | None, left_out: int) -> Iterator[str]:
    yield "## How it was measured"
    yield ""
    if evaluation is None:
        yield nothing(left_out)
        yield ""
        return
    task, sessions = evaluation.protocol["task"], evaluation.protocol.get("sessions")
    yield f"Foretold is {plain(str(task))}; {count(evaluation.predictions)} predictions."
    if sessions is not None:
        yield f"Measured on {plain(str(sessions))}."
    yield "The figures are those of the ranker before it learned from these sessions too."
    yield ""
    yield "| row | hit rate at 20 | 95 % | MRR at 20 | 95 % |"
    yield "| --- | --- | --- | --- | --- |"
    for row, found in evaluation.rows.items():
        hits, reciprocal = (
            f"{figure(found.values[metric])} | {between(found.intervals[metric])}" for metric in (HIT_RATE, RECIPROCAL)
        )
        yield f"| `{row}` | {hits} | {reciprocal} |"
    yield ""
    yield from _leads(evaluation)
    yield ""


def _leads(evaluation: Evaluation) -> Iterator[str]:
    best = best_other(evaluation)
    for row, told in (
        (best, f"ahead of `{best}`, the best of the others"),
        (WITHOUT, "that much the transformer adds"),
    ):
        if (found := lead(evaluation, row)) is not None:
            ends = found.figures.intervals[HIT_RATE]
            doubt = ": not told apart from nothing" if ends[0] <= 0 <= ends[1] else ""
            value = points(found.figures.values[HIT_RATE])
            yield f"- {value} points of hit rate ({points_between(ends)}), {told}{doubt}"
    for caveat in caveats(evaluation):
        yield f"- {caveat}"


def _limits(facts: Facts) -> Iterator[str]:
    yield "## What it is not good for"
    yield ""
    yield "- Another shop, or this one after its catalogue has changed for the most part: train it again."
    yield "- Shoppers who have touched nothing yet: they get what is popular."
    yield "- Prices, stock, margins: it knows nothing of them, and rules must come after it."
    if facts.profile.told.get("category", 0.0) + facts.profile.told.get("title", 0.0) == 0:
        yield "- New items: without a catalogue nothing is known of them until they are touched."
    if facts.evaluation is not None:
        yield from _weak(facts.evaluation)
    yield ""


def _weak(evaluation: Evaluation) -> Iterator[str]:
    """Where the figures themselves are low."""
    yield f"- Items that are not in it are never listed: {percent(evaluation.unseen)} of the next items when measured."
    bands = {
        "events in training": evaluation.by_popularity,
        "events in the session so far": evaluation.by_length,
    }
    for what, found in bands.items():
        if (worst := _worst(found)) is not None:
            share = percent(worst.rows[FUSION][HIT_RATE])
            yield f"- {worst.name} {what}: a hit rate of {share}, the least of its kind"
    if evaluation.coverage is not None:
        shown, of = percent(evaluation.coverage.lists.reached), evaluation.coverage.of
        yield f"- {shown} of the catalogue stood in a list of {of} at all when measured."


def _worst(bands: Sequence[Band]) -> Band | None:
    telling = [band for band in bands if band.predictions >= _TELLING and FUSION in band.rows]
    return min(telling, key=lambda band: band.rows[FUSION][HIT_RATE], default=None)


def _made(facts: Facts) -> Iterator[str]:
    manifest = facts.manifest
    yield "## What was chosen"
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    for name, value in manifest.parameters.items():
        yield f"| {named(name)} | {plain(said(value))} |"
    yield ""
    yield "## How to make it again"
    yield ""
    # Indented lines are code that no character ends.
    yield from (f"    {printable(line)}" for line in manifest.command.splitlines())
    yield ""
    took = duration(sum(manifest.seconds.values()))
    yield f"Made {moment(manifest.created_at)} UTC in {took}, in {size(manifest.peak_memory_bytes)} of memory at most;"
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    yield f"seed {manifest.seed}; {plain(versions)}."
    yield "The same log, seed, versions and threads give the same version on a CPU. Figures and charts: `report.html`."
