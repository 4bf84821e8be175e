"""What a worker says it has done, by its own metrics."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from nextclick.servers import LOOPBACK

_ASK_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Counts:
    """Since it began."""

    events: int = 0
    #: Ranked and stored.
    lists: int = 0
    #: Sessions that wait for a list.
    pending: int = 0


def read(port: int) -> Counts:
    """Nothing, while the worker serves no metrics yet."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=_ASK_S) as page:
            page_text: str = page.read().decode()
    except OSError:
        return Counts()
    return told(page_text)


def told(text: str) -> Counts:
    """By the text of its metrics."""
    found = {"events": 0.0, "lists": 0.0, "pending": 0.0}
    for sample in (sample for family in text_string_to_metric_families(text) for sample in family.samples):
        if sample.name == "nextclick_events_total":
            found["events"] += sample.value
        elif sample.name == "nextclick_recommendations_total" and sample.labels["outcome"] == "stored":
            found["lists"] += sample.value
        elif sample.name == "nextclick_pending_sessions":
            found["pending"] += sample.value
    return Counts(**{name: round(value) for name, value in found.items()})
