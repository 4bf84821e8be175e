"""A manifest that is damaged, forged or of another bundle is refused with its reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.bundle import MANIFEST
from schemas.errors import BundleError
from serving.state import bundles
from tests import worlds
from tests.kit.bundles import publish
from tests.kit.copies import Copy
from tests.worlds import NOW, name


@pytest.mark.parametrize(
    "garbage",
    [b"", b"{", b"[]", b"null", b"\xff", b"{}", b"[" * 100_000, b" " * 2_000_000],
    ids=["empty", "cut", "list", "null", "binary", "bare", "deep", "huge"],
)
def test_a_manifest_of_garbage_is_refused(copy: Copy, garbage: bytes) -> None:
    (copy.path / MANIFEST).write_bytes(garbage)
    assert copy.refusal().reason in ("manifest", "altered")


def _set(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda said: said.update({key: value})


CLAIM = {"sha256": "0" * 64, "bytes": 1}


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        (_set("format", 1), "manifest", "format"),
        (_set("format", "2"), "manifest", "format"),
        (_set("version", "0123456789ab"), "version", "0123456789ab"),
        (_set("counts_version", "0123456789ab"), "version", MANIFEST),
        (_set("files", {}), "missing", "items.ids.npy"),
        (lambda said: said["files"].pop("items.prices.npy"), "missing", "items.prices.npy"),
        (lambda said: said["files"].update({"../../etc/passwd": CLAIM}), "manifest", "files"),
        (lambda said: said["files"].update({"/etc/passwd": CLAIM}), "manifest", "files"),
        (lambda said: said["files"].update({"..": CLAIM}), "manifest", "files"),
        (lambda said: said["files"].update({"ranker.json\n": CLAIM}), "manifest", "files"),
        (lambda said: said["files"]["ranker.json"].update(bytes=-1), "manifest", "bytes"),
        (lambda said: said["files"]["ranker.json"].update(sha256="x"), "manifest", "sha256"),
        (lambda said: said["documents"].update({"../report.html": CLAIM}), "manifest", "documents"),
        (lambda said: said["documents"].update({"REPORT.md": CLAIM}), "missing", "REPORT.md"),
        (lambda said: said["golden"]["sessions"][0]["top"].reverse(), "golden", "session 0"),
        (lambda said: said["golden"]["sessions"][3]["top"].pop(), "golden", "session 3"),
        (lambda said: said["golden"]["sessions"][5]["top"].__setitem__(2, "nobody"), "golden", "session 5"),
        (lambda said: said["golden"]["sessions"][6].pop("top"), "manifest", "top"),
        (lambda said: said["golden"]["sessions"][7]["actions"].append([name(20), "view", NOW]), "golden", "session 7"),
        (lambda said: said["golden"]["sessions"][7]["actions"].append([name(20), "remove", NOW]), "golden", "remove"),
        (lambda said: said["golden"]["sessions"][7]["actions"].append([name(20), "view", 2**70]), "manifest", "ions"),
        (lambda said: said["golden"].update(sessions=[]), "manifest", "golden.sessions"),
        (lambda said: said["golden"].update(now=-1), "manifest", "golden.now"),
        (_set("created_at", 2**60), "manifest", "created_at"),
        (lambda said: said["data"].update(last_ts=-(2**62)), "manifest", "last_ts"),
        (lambda said: said["files"]["ranker.json"].update(bytes=2**64), "manifest", "bytes"),
        (_set("peak_memory_bytes", 10**400), "manifest", ""),
        (lambda said: said["golden"]["sessions"][7]["actions"].append([name(20), "eaten", NOW]), "manifest", "eaten"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    copy: Copy, change: Callable[[dict[str, Any]], None], reason: str, says: str
) -> None:
    copy.manifest(change)
    refusal = copy.refusal()
    assert refusal.reason == reason
    assert says in refusal.detail


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said["data"].update(events=1),
        _set("command", "nextclick train other.csv"),
        _set("created_at", 0),
        _set("evaluation", {"rows": {"fusion": {"mrr@20": 1.0}}}),
        _set("note", "a field that this release does not know"),
        lambda said: said.pop("evaluation"),
        lambda said: said["versions"].clear(),
    ],
)
def test_a_manifest_that_says_anything_else_than_when_it_was_made_is_refused(
    copy: Copy, change: Callable[[dict[str, Any]], None]
) -> None:
    copy.manifest(change, sealed=False)
    refusal = copy.refusal()
    assert refusal.reason == "altered"
    assert MANIFEST in refusal.detail
    with pytest.raises(BundleError):
        bundles.read_manifest(copy.path)


def test_a_manifest_in_another_layout_is_the_same_manifest(copy: Copy) -> None:
    copy.manifest(lambda said: said.update(version=said.pop("version")), sealed=False)
    bundles.load(copy.path)


def test_a_manifest_that_vouches_for_nothing_is_refused(copy: Copy) -> None:
    copy.manifest(lambda said: said.pop("sha256"), sealed=False)
    refusal = copy.refusal()
    assert (refusal.reason, "sha256" in refusal.detail) == ("manifest", True)


def test_a_manifest_of_another_bundle_is_refused(copy: Copy, tmp_path: Path) -> None:
    publish(tmp_path / "older", worlds.chain(seed=2))
    shutil.copy(tmp_path / "older" / MANIFEST, copy.path / MANIFEST)
    assert copy.refusal().reason in ("altered", "missing")
