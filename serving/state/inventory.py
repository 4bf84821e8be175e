"""What every process that ranks tells Prometheus of what it ranks with: the bundle and the catalogue."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class Inventory:
    """Part of each process's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.catalogue_entries = Counter(
            "nextclick_catalogue_entries", "Entries of the catalogue that were read.", registry=registry
        )
        self.catalogue_unreadable = Counter(
            "nextclick_catalogue_unreadable",
            "Records of the catalogue that say nothing of any item.",
            ["reason"],
            registry=registry,
        )
        self.catalogue_hidden = Gauge(
            "nextclick_catalogue_hidden_items", "The model's items that are not to be had.", registry=registry
        )
        self.catalogue_newcomers = Gauge(
            "nextclick_catalogue_newcomers", "Items that rank and came after the bundle was made.", registry=registry
        )
        self.bundle_swaps = Counter(
            "nextclick_bundle_swaps", "Bundles that took the place of another.", registry=registry
        )
        self.bundle_refused = Counter(
            "nextclick_bundle_refused",
            "Bundles that did not get to rank; the one in service stayed.",
            ["reason"],
            registry=registry,
        )
        self.model = Gauge("nextclick_model", "The model in service.", ["version"], registry=registry)
