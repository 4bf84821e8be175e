"""Where the bundle comes from: the log it was made from, how its fits went, what was chosen, and what that took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from schemas.bundle import Manifest
from schemas.markup import Markup, element, foreign, joined
from training.learning import Curves
from training.profile import HOUR_MS, Profile, Timeline
from training.report import charts
from training.report.atlas import OTHERS, Atlas
from training.report.table import Section, beside, chart, facts, folded, section, table
from training.report.wording import count, day, duration, moment, named, percent, plural, said, size, step

#: What a parameter means, where its name says too little.
_CHOSEN: Final[Mapping[str, str]] = {
    "preset": "how much work was put in",
    "device": "what the transformer learned on",
    "order": "what lists are ordered by: a learned score, or fused ranks where the log is too small to learn one",
    "drop_last_item": "whether the item just touched is left out: where shoppers hardly ever repeat it",
    "relation": "what items of one session are to each other, as reasons put it",
    "fusion_predictions": "next items at the log's end that the order was learned and measured on",
    "sessions_left_out_by_max_minutes": "the oldest ones, for want of time",
    "sessions_left_out_by_consent": "consent was withdrawn",
    "sessions_left_out_by_bots": "too quick or too long for a person",
}
_CLOCKLESS: Final = "The log has no times: sessions count as if they stood in it in the order they began"


def data(profile: Profile) -> Section:
    told = {
        "events": f"{count(profile.events)}: {', '.join(plural(n, deed) for deed, n in profile.types.items())}",
        "sessions": f"{count(profile.sessions)}, of {profile.mean_length:.1f} events in the mean, "
        f"{profile.median_length:g} in the middle, {count(profile.longest)} at most",
        "items": f"{count(profile.items)}, of which {percent(profile.spread.reached)} were touched",
        "span": span(profile),
        "repeats": f"{percent(profile.repeats)} of steps lead to an item that the session has had, "
        f"{percent(profile.again)} to the same item at once",
        "catalogue": ", ".join(f"{named(name)} {percent(share)}" for name, share in profile.told.items()),
    }
    lengths, touches = profile.lengths, profile.touches
    drawn = [
        _histogram("How long sessions are", "Sessions by their number of events.", lengths, "sessions"),
        _histogram("How often items are touched", "Items by their events in training.", touches, "items"),
    ]
    if profile.timeline is not None:
        drawn += [_over_time(profile.timeline), _by_hour(profile.hours)]
    return section("data", "The data", facts("What training learned from", told), beside(*drawn))


def span(profile: Profile) -> str:
    return f"{moment(profile.first_ts)} to {moment(profile.last_ts)} UTC" if profile.timeline else _CLOCKLESS


def _histogram(title: str, what: str, counts: Mapping[str, int], unit: str) -> Markup:
    drawn = charts.columns(title, list(counts.values()), list(counts), unit)
    rows = ([name, count(number)] for name, number in counts.items())
    return chart(title, what, drawn, folded("In numbers", table(title, ["events", unit], rows)))


def _over_time(timeline: Timeline) -> Markup:
    each, written = step(timeline.step_ms), moment if timeline.step_ms == HOUR_MS else day
    begins = [written(timeline.begin_ms + at * timeline.step_ms) for at in range(len(timeline.counts))]
    title = f"Events by {each}"
    rows = ([begin, count(number)] for begin, number in zip(begins, timeline.counts, strict=True))
    return chart(
        title,
        f"In UTC; the first and the last {each} may be cut.",
        charts.timeline(title, timeline.counts, begins[0], begins[-1], "events"),
        folded("In numbers", table(title, [each, "events"], rows)),
    )


def _by_hour(hours: Sequence[int]) -> Markup:
    title = "Events by hour of the day"
    rows = ([f"{hour}", count(number)] for hour, number in enumerate(hours))
    drawn = charts.columns(title, hours, [f"{hour}" for hour in range(24)], "events")
    return chart(title, "In UTC.", drawn, folded("In numbers", table(title, ["hour", "events"], rows)))


def item_map(atlas: Atlas | None) -> Section:
    if atlas is None:
        return section("map", "Map of the items", element("p", "There are too few items for a map."))
    names = [name for number, name in enumerate(atlas.groups.names) if (atlas.groups.of == number).any()]
    kinds = [f"s{atlas.groups.names.index(name)}" for name in names]
    held = sum(atlas.explained)
    words = (
        f"The {count(len(atlas))} items touched most, as the vectors that the transformer has learned lie to each "
        f"other, coloured by {atlas.groups.by}. Numbers are the items in the table below."
    )
    rows = (
        [str(number), foreign(landmark.title), _listed(landmark.near)]
        for number, landmark in enumerate(atlas.landmarks, start=1)
    )
    numbered, heads = len(atlas.landmarks), ["", "item", "nearest"]
    return section(
        "map",
        "Map of the items",
        element("p", words),
        _agreement(atlas),
        charts.legend([name if name == OTHERS else foreign(name) for name in names], kinds),
        beside(
            chart(
                "PCA",
                f"The two directions that hold most: {percent(held)} of all there is. What is far apart here is far "
                "apart; what is near may not be.",
                charts.scatter("Item vectors by PCA", atlas.pca, atlas.groups.of, numbered),
            ),
            chart(
                "t-SNE",
                "Who is near whom. Distances between heaps, and their sizes, mean nothing.",
                charts.scatter("Item vectors by t-SNE", atlas.tsne, atlas.groups.of, numbered),
            ),
        ),
        table("The items touched most, and the items whose vectors are nearest", heads, rows, words=len(heads)),
    )


def _agreement(atlas: Atlas) -> Markup:
    if atlas.groups.alike is None or atlas.groups.by_chance is None:
        return Markup()
    told = (
        f"Of the ten nearest items, {percent(atlas.groups.alike)} are of the item's own category; "
        f"by chance it would be {percent(atlas.groups.by_chance)}."
    )
    return element("p", told)


def _listed(titles: Sequence[str]) -> Markup:
    return joined(*(element("small", foreign(title)) for title in titles))


def learning(curves: Curves) -> Section:
    transformer = {"before the fusion period": curves.base, "on everything": curves.refit}
    correction = {"with the transformer": curves.correction, "without it": curves.blind}
    drawn = [
        _fits("The transformer", "Mean loss of every epoch; the second fit goes on from the first.", transformer),
        _fits("The correction", "Mean loss after every epoch on sessions it was not learned from.", correction),
    ]
    return section("learning", "Learning curves", beside(*filter(None, drawn)))


def _fits(title: str, what: str, losses: Mapping[str, Sequence[float]]) -> Markup:
    fits = {name: values for name, values in losses.items() if values}
    if not fits:
        return Markup()
    epochs = [str(epoch) for epoch in range(1, max(map(len, fits.values())) + 1)]
    rows = ([name, *(f"{value:.4f}" for value in values)] for name, values in fits.items())
    listed = ([*row, *[""] * (len(epochs) + 1 - len(row))] for row in rows)
    return chart(
        title,
        what,
        charts.legend(fits),
        charts.lines(f"{title}: loss by epoch", fits, epochs, "loss", zero=False),
        folded("In numbers", table(f"{title}: loss by epoch", ["fit", *epochs], listed)),
    )


def making(manifest: Manifest) -> Section:
    chosen = {named(name): joined(said(value), _why(name)) for name, value in manifest.parameters.items()}
    origin = {
        "version": f"{manifest.version}, counts {manifest.counts_version}",
        "made": f"{moment(manifest.created_at)} UTC",
        "seed": str(manifest.seed),
        "log": f"sha256 {manifest.data.log_sha256}",
        "with": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
    }
    return section(
        "making",
        "How it was made",
        element("pre", element("code", manifest.command)),
        facts("Origin", origin),
        facts("What training was told, and what it chose for this shop from its log alone", chosen),
        _cost(manifest),
    )


def _why(parameter: str) -> Markup:
    return element("small", _CHOSEN[parameter]) if parameter in _CHOSEN else Markup()


def _cost(manifest: Manifest) -> Markup:
    seconds, total = manifest.seconds, sum(manifest.seconds.values())
    told = f"{duration(total)} up to this report, and {size(manifest.peak_memory_bytes)} of memory at most."
    rows = ([named(stage), duration(took), percent(took / total if total else 0)] for stage, took in seconds.items())
    drawn = charts.bars("Seconds of each stage", [named(stage) for stage in seconds], {"s": list(seconds.values())})
    listed = table("Stages in the order they ran", ["stage", "took", "of all"], rows)
    return joined(chart("Where the time went", told), beside(drawn, listed))
