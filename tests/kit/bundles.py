"""Bundles of small worlds, whole and signed, as training would leave them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from schemas.bundle import MANIFEST, UNSEALED, Data, Manifest, encode, sealed
from schemas.session import Action
from serving.ranking import bundle, golden
from tests import worlds
from tests.worlds import NOW, World, name

DOCUMENTS = {"MODEL_CARD.md": b"# A model\n", "report.html": b"<!doctype html>"}


def publish(
    directory: Path,
    world: World,
    documents: Mapping[str, bytes] | None = None,
    replaced: Mapping[str, bytes] | None = None,
    *,
    drop_last_item: bool = False,
) -> Manifest:
    """The world's bundle in `directory`, which must not exist yet and appears in one rename."""
    files, beside = {**worlds.files(world, drop_last_item=drop_last_item), **(replaced or {})}, documents or {}
    manifest = _manifest(files, beside, world)
    staged = directory.with_name(f".{directory.name}.staged")
    staged.mkdir(parents=True)
    for file, data in {**files, **beside, MANIFEST: encode(manifest)}.items():
        (staged / file).write_bytes(data)
    staged.rename(directory)
    return manifest


def _manifest(files: Mapping[str, bytes], documents: Mapping[str, bytes], world: World) -> Manifest:
    ranker = bundle.unpack(files).ranker
    sessions = [
        tuple(Action(name(item), "view", NOW + 1_000 * at) for at, item in enumerate(past[:2])) for past in world.past
    ]
    return sealed(
        Manifest(
            version=ranker.version,
            counts_version=ranker.counts_version,
            created_at=NOW,
            command="nextclick train world",
            seed=0,
            versions={"python": "3"},
            parameters={},
            data=Data(
                events=sum(map(len, world.past)),
                sessions=len(world.past),
                items=world.items,
                first_ts=NOW,
                last_ts=NOW,
                log_sha256=UNSEALED,
            ),
            files=bundle.describe(files),
            documents=bundle.describe(documents),
            golden=golden.answers(ranker, sessions[:16], NOW),
            sha256=UNSEALED,
        )
    )
