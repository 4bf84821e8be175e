"""Bundles on disk: a whole one loads, and every kind of damage is refused with its reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import click as wire
from schemas.bundle import MANIFEST, seal
from schemas.errors import BundleError
from schemas.recommendation import Item
from serving.ranking import arrays, bundle
from serving.ranking.ranker import Ranked
from serving.ranking.reasons import POPULAR
from serving.state import bundles
from tests import worlds
from tests.worlds import NOW, name, session
from training import log
from training.train import train


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bundles")
    events = directory / "log.ndjson"
    events.write_bytes(b"".join(wire.encode(click) + b"\n" for click in worlds.chain().clicks))
    train(log.read([events]), [], directory / "whole", NOW, "train")
    return directory / "whole"


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Copy:
    return Copy(shutil.copytree(whole, tmp_path / "bundle"))


@dataclass(frozen=True, slots=True)
class Copy:
    """A bundle to be damaged."""

    path: Path

    def manifest(self, change: Callable[[dict[str, Any]], None], *, sealed: bool = True) -> None:
        """Another manifest, by default one that vouches for itself as training would have let it."""
        said = json.loads((self.path / MANIFEST).read_bytes())
        change(said)
        if sealed:
            said["sha256"] = seal(said)
        (self.path / MANIFEST).write_text(json.dumps(said), encoding="utf-8")

    def put(self, file: str, data: bytes) -> None:
        """A file that its manifest vouches for: damage by whoever makes bundles, not on the way."""
        (self.path / file).write_bytes(data)

        def vouch(said: dict[str, Any]) -> None:
            said["files"][file] = {"sha256": sha256(data).hexdigest(), "bytes": len(data)}
            hashes = {name: claim["sha256"] for name, claim in said["files"].items()}
            said["version"], said["counts_version"] = bundle.version(hashes), bundle.counts_version(hashes)

        self.manifest(vouch)

    def array(self, file: str) -> np.ndarray[Any, Any]:
        return np.array(arrays.decode((self.path / file).read_bytes()))

    def put_array(self, file: str, array: np.ndarray[Any, Any]) -> None:
        self.put(file, arrays.encode(array))

    def refusal(self) -> BundleError:
        with pytest.raises(BundleError) as refused:
            bundles.load(self.path)
        assert str(self.path) in refused.value.detail
        assert "nextclick train" in refused.value.detail
        return refused.value


def test_a_whole_bundle_loads_and_answers(whole: Path) -> None:
    # when
    manifest, ranker = bundles.verify(whole)

    # then
    assert (ranker.version, ranker.counts_version) == (manifest.version, manifest.counts_version)
    assert bundles.read_manifest(whole) == manifest
    [answer] = ranker.rank([session([name(10)])], NOW)
    assert answer.items[0].item_id == name(11)


def test_a_file_beside_the_bundle_is_not_looked_at(copy: Copy) -> None:
    (copy.path / ".DS_Store").write_bytes(b"x")
    bundles.load(copy.path)


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    refusal = Copy(tmp_path / "nowhere").refusal()
    assert refusal.reason == "missing"


@pytest.mark.parametrize("file", [MANIFEST, "items.json", "ranker.json", "covisitation.ids.npy", "popular.counts.npy"])
def test_a_missing_file_is_refused(copy: Copy, file: str) -> None:
    (copy.path / file).unlink()
    refusal = copy.refusal()
    assert (refusal.reason, file in refusal.detail) == ("missing", True)


@pytest.mark.parametrize("file", ["items.json", "ranker.json", "covisitation.ids.npy", "popular.counts.npy"])
@pytest.mark.parametrize("damage", ["cut", "emptied", "longer", "flipped"])
def test_an_altered_file_is_refused(copy: Copy, file: str, damage: str) -> None:
    # given
    data = (copy.path / file).read_bytes()
    middle = len(data) // 2
    altered = {
        "cut": data[:-1],
        "emptied": b"",
        "longer": data + b"\0",
        "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
    }[damage]

    # when
    (copy.path / file).write_bytes(altered)

    # then
    refusal = copy.refusal()
    assert (refusal.reason, file in refusal.detail) == ("altered", True)


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
        (_set("format", 2), "manifest", "format"),
        (_set("format", "1"), "manifest", "format"),
        (_set("version", "0123456789ab"), "version", "0123456789ab"),
        (_set("counts_version", "0123456789ab"), "version", MANIFEST),
        (_set("files", {}), "missing", "items.json"),
        (lambda said: said["files"].pop("popular.counts.npy"), "missing", "popular.counts.npy"),
        (lambda said: said["files"].update({"../../etc/passwd": CLAIM}), "manifest", "files"),
        (lambda said: said["files"].update({"/etc/passwd": CLAIM}), "manifest", "files"),
        (lambda said: said["files"].update({"..": CLAIM}), "manifest", "files"),
        (lambda said: said["files"].update({"items.json\n": CLAIM}), "manifest", "files"),
        (lambda said: said["files"]["items.json"].update(bytes=-1), "manifest", "bytes"),
        (lambda said: said["files"]["items.json"].update(sha256="x"), "manifest", "sha256"),
        (lambda said: said["golden"]["top"][0].reverse(), "golden", "session 0"),
        (lambda said: said["golden"]["top"][3].pop(), "golden", "session 3"),
        (lambda said: said["golden"]["top"][5].__setitem__(2, "nobody"), "golden", "session 5"),
        (lambda said: said["golden"]["top"].pop(), "golden", "16 golden sessions"),
        (lambda said: said["golden"]["sessions"][7].append(name(20)), "golden", "session 7"),
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
        _set("metrics", {"recall@20": 1.0}),
        _set("note", "a field that this release does not know"),
        lambda said: said.pop("metrics"),
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


def _with(array: np.ndarray[Any, Any], at: int, value: float) -> np.ndarray[Any, Any]:
    array[at] = value
    return array


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("popular.counts.npy", lambda array: _with(array, 3, np.nan), "not a finite number"),
        ("popular.counts.npy", lambda array: _with(array, 3, np.inf), "not a finite number"),
        ("popular.counts.npy", lambda array: _with(array, 3, -1), "below 0"),
        ("popular.counts.npy", lambda array: array[:-1], "values instead of"),
        ("popular.counts.npy", lambda array: array.astype(np.float64), "float64 instead of float32"),
        ("popular.counts.npy", lambda array: array.astype(">f4"), "instead of float32"),
        ("popular.counts.npy", lambda array: array.reshape(1, -1), "2 dimensions"),
        ("covisitation.scores.npy", lambda array: _with(array, 0, np.nan), "not a finite number"),
        ("covisitation.scores.npy", lambda array: array[1:], "values instead of"),
        ("covisitation.recency.npy", lambda array: _with(array, 0, np.inf), "not a finite number"),
        ("covisitation.ids.npy", lambda array: _with(array, 0, 60_000), "index outside"),
        ("covisitation.ids.npy", lambda array: array.astype(np.int32) * -1, "index outside"),
        ("covisitation.starts.npy", lambda array: array[::-1].copy(), "does not divide"),
        ("covisitation.starts.npy", lambda array: array[:-1], "does not divide"),
        ("covisitation.starts.npy", lambda array: _with(array, -1, 10**9), "does not divide"),
        ("covisitation.starts.npy", lambda array: _with(array, 1, 10**9), "does not divide"),
    ],
)
def test_an_array_that_cannot_be_right_is_refused(
    copy: Copy, file: str, change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]], says: str
) -> None:
    copy.put_array(file, change(copy.array(file)))
    refusal = copy.refusal()
    assert refusal.reason == "file"
    assert file.split(".")[0] in refusal.detail
    assert says in refusal.detail


@pytest.mark.parametrize(
    ("file", "data", "says"),
    [
        ("items.json", b"{}", "ids"),
        ("items.json", b'{"ids":["a"],"titles":[]}', "1 ids and 0 titles"),
        ("items.json", b'{"ids":["b","a"],"titles":["",""]}', "order"),
        ("items.json", b'{"ids":["a","a"],"titles":["",""]}', "order"),
        ("ranker.json", b"[]", "object"),
        ("ranker.json", b'{"repeats":true,"relation":"eaten","quotas":{},"weights":{}}', "relation"),
        ("ranker.json", b'{"repeats":true,"relation":"bought","quotas":{},"weights":{}}', "must name"),
        ("ranker.json", b'{"repeats":true,"relation":"bought","quotas":{"popular":0},"weights":{}}', "below 1"),
        ("ranker.json", b'{"repeats":true,"relation":"bought","quotas":{},"weights":{"popular":-1}}', "weight"),
        ("popular.counts.npy", b"", ""),
        ("popular.counts.npy", b"\x93NUMPY\x01\x00\xff\xff", ""),
        ("popular.counts.npy", b"\x93NUMPY\x02\x00\x00\x00\x00\x00", "version"),
        ("popular.extra.npy", arrays.encode(np.zeros(3)), "knows no such file"),
        ("model.onnx", b"x", "knows no such file"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(copy: Copy, file: str, data: bytes, says: str) -> None:
    copy.put(file, data)
    refusal = copy.refusal()
    assert refusal.reason in ("file", "unknown_file")
    assert file.removesuffix(".npy").split(".")[0] in refusal.detail
    assert says in refusal.detail


def test_a_header_that_claims_a_terabyte_is_refused(copy: Copy) -> None:
    # given
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (250000000000,), }"
    header += b" " * (128 - 10 - len(header) - 1) + b"\n"

    # when
    copy.put("popular.counts.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 64)

    # then
    assert "64 bytes of values" in copy.refusal().detail


def test_a_pickle_is_refused(copy: Copy) -> None:
    # given
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    header += b" " * (128 - 10 - len(header) - 1) + b"\n"

    # when
    copy.put(
        "popular.counts.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"cos\nsystem\n."
    )

    # then
    assert "plain array" in copy.refusal().detail


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_byte_is_refused_or_harmless(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    # given
    file = data.draw(st.sampled_from(sorted(path.name for path in whole.iterdir())))
    content = bytearray((whole / file).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    copy = tmp_path / "flipped"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(whole, copy)

    # when
    (copy / file).write_bytes(content)
    refused = same = False
    try:
        bundles.load(copy)
    except BundleError:
        refused = True
    else:
        same = file == MANIFEST and json.loads(content) == json.loads((whole / file).read_bytes())

    # then: a blank of the manifest may be another blank
    assert refused or same


@pytest.mark.parametrize(
    ("top", "agrees"),
    [("abcd", True), ("acbd", True), ("bacd", False), ("abc", False), ("abcx", False), ("abbd", False)],
)
def test_a_golden_answer_may_differ_in_ties_alone(top: str, agrees: bool) -> None:
    # given
    scores = {"a": 0.9, "b": 0.5, "c": 0.5, "d": 0.1}
    items = (Item(item, rank, score, "popular", POPULAR) for rank, (item, score) in enumerate(scores.items(), start=1))

    # then
    assert bundle._agrees(Ranked(tuple(items), 4), tuple(top)) is agrees
