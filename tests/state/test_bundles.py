"""Bundles on disk: a whole one loads, and every kind of damage is refused with its reason."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.bundle import MANIFEST, seal
from schemas.errors import BundleError
from serving.ranking import arrays, bundle
from serving.state import bundles
from tests import worlds
from tests.kit.bundles import publish
from tests.worlds import NOW, name, session

DOCUMENTS = {"MODEL_CARD.md": b"# A model\n", "report.html": b"<!doctype html>"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bundles") / "whole"
    publish(directory, worlds.chain(), DOCUMENTS)
    return directory


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
    manifest, found = bundles.verify(whole)
    ranker = found.ranker

    # then
    assert (ranker.version, ranker.counts_version) == (manifest.version, manifest.counts_version)
    assert bundles.read_manifest(whole) == manifest
    [answer] = ranker.rank([session([name(10)])], NOW)
    assert name(11) in [item.item_id for item in answer.items[:5]]


def test_a_file_beside_the_bundle_is_not_looked_at(copy: Copy) -> None:
    (copy.path / ".DS_Store").write_bytes(b"x")
    bundles.load(copy.path)


def test_documents_are_vouched_for_and_no_part_of_the_version(tmp_path: Path, whole: Path) -> None:
    # when
    other = publish(tmp_path / "other", worlds.chain(), {"report.html": b"<!doctype html> 7 seconds later"})

    # then
    assert other.version == bundles.read_manifest(whole).version
    assert bundles.read_manifest(whole).documents.keys() == DOCUMENTS.keys()


def test_a_folder_of_bundles_stands_for_its_current_one(tmp_path: Path) -> None:
    # given
    manifest = publish(tmp_path / "first", worlds.chain())
    (tmp_path / "current").symlink_to("first")

    # then
    assert bundles.verify(tmp_path)[0] == manifest
    assert bundles.verify(tmp_path / "current")[0] == manifest
    assert bundles.look(tmp_path) == bundles.look(tmp_path / "first")


def test_a_folder_without_a_current_one_says_how_to_choose(tmp_path: Path) -> None:
    publish(tmp_path / "first", worlds.chain())
    refusal = Copy(tmp_path).refusal()
    assert (refusal.reason, "bundle activate" in refusal.detail) == ("missing", True)


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("gone")
    assert Copy(tmp_path).refusal().reason == "missing"


def test_what_is_mapped_outlives_its_directory(copy: Copy) -> None:
    # given
    ranker = bundles.load(copy.path)
    before = ranker.rank([session([name(10)])], NOW)

    # when
    shutil.rmtree(copy.path)

    # then
    assert ranker.rank([session([name(10)])], NOW) == before


def test_a_ranker_that_is_dropped_lets_go_of_its_files(copy: Copy) -> None:
    # given
    bundles.load(copy.path)
    before = _held()

    # when
    rankers = [bundles.load(copy.path) for _ in range(5)]
    during = _held()
    rankers.clear()

    # then
    assert during > before
    assert _held() == before


def _held() -> int:
    return len(os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"))


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    refusal = Copy(tmp_path / "nowhere").refusal()
    assert refusal.reason == "missing"


@pytest.mark.parametrize(
    "file", [MANIFEST, "items.titles.npy", "ranker.json", "covisitation.ids.npy", "items.prices.npy", "report.html"]
)
def test_a_missing_file_is_refused(copy: Copy, file: str) -> None:
    (copy.path / file).unlink()
    refusal = copy.refusal()
    assert (refusal.reason, file in refusal.detail) == ("missing", True)


@pytest.mark.parametrize(
    "file", ["items.ids.npy", "ranker.json", "covisitation.ids.npy", "items.prices.npy", "MODEL_CARD.md"]
)
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


def test_a_pipe_in_the_place_of_a_file_is_refused_without_waiting(copy: Copy) -> None:
    # when
    (copy.path / "ranker.json").unlink()
    os.mkfifo(copy.path / "ranker.json")

    # then
    refusal = copy.refusal()
    assert (refusal.reason, "ranker.json" in refusal.detail) == ("unreadable", True)


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


#: What no array of a bundle may turn into, whatever it means.
DAMAGES: dict[str, Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = {
    "another type": lambda array: array.astype(np.complex64),
    "another byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "another dimension": lambda array: array[None],
    "a cut table": lambda array: array[:-1],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_array_that_cannot_be_right_is_refused_by_its_name(whole: Path, tmp_path: Path, damage: str) -> None:
    for path in sorted(whole.glob("*.npy")):
        # given
        copy = Copy(_fresh(whole, tmp_path / "damaged"))
        before = copy.array(path.name)
        after = DAMAGES[damage](before)
        if (after.dtype, after.shape) == (before.dtype, before.shape):  # a byte has no order, nothing cannot be cut
            continue
        if damage == "a cut table" and not path.name.startswith("items."):
            continue

        # when
        copy.put_array(path.name, after)

        # then
        refusal = copy.refusal()
        assert (refusal.reason, path.name.split(".")[0] in refusal.detail) == ("file", True), path.name


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_refused_wherever_it_stands(whole: Path, tmp_path: Path, value: float) -> None:
    for path in sorted(whole.glob("*.npy")):
        # given
        copy = Copy(_fresh(whole, tmp_path / "damaged"))
        array = copy.array(path.name)
        unknown_price = path.name == "items.prices.npy" and np.isnan(value)
        if array.dtype.kind != "f" or not len(array) or unknown_price:
            continue

        # when
        array[len(array) // 2] = value
        copy.put_array(path.name, array)

        # then
        assert copy.refusal().reason == "file", path.name


@pytest.mark.parametrize(
    ("file", "data", "says"),
    [
        ("ranker.json", b"[]", "object"),
        ("items.prices.npy", b"", ""),
        ("items.prices.npy", b"\x93NUMPY\x01\x00\xff\xff", ""),
        ("items.prices.npy", b"\x93NUMPY\x02\x00\x00\x00\x00\x00", "version"),
        ("items.extra.npy", arrays.encode(np.zeros(3)), "knows no such file"),
        ("items.Prices.npy", arrays.encode(np.zeros(3)), "knows no such file"),
        ("model.bin", b"x", "knows no such file"),
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
    copy.put("items.prices.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 64)

    # then
    assert "64 bytes of values" in copy.refusal().detail


def test_a_pickle_is_refused(copy: Copy) -> None:
    # given
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    header += b" " * (128 - 10 - len(header) - 1) + b"\n"

    # when
    copy.put("items.prices.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"cos\nsystem\n.")

    # then
    assert "plain array" in copy.refusal().detail


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_cut_anywhere_is_refused(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    # given
    file = data.draw(st.sampled_from(sorted(path.name for path in whole.iterdir())))
    content = (whole / file).read_bytes()
    copy = _fresh(whole, tmp_path / "cut")

    # when
    (copy / file).write_bytes(content[: data.draw(st.integers(0, len(content) - 2))])

    # then: of the manifest, the very last byte is a line feed
    with pytest.raises(BundleError):
        bundles.load(copy)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_byte_is_refused_or_harmless(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    # given
    file = data.draw(st.sampled_from(sorted(path.name for path in whole.iterdir())))
    content = bytearray((whole / file).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    copy = _fresh(whole, tmp_path / "flipped")

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


def _fresh(whole: Path, path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    return shutil.copytree(whole, path)


@pytest.mark.parametrize("owner", ["items", "covisitation", "popular"])
def test_a_file_of_another_bundle_is_refused(copy: Copy, tmp_path: Path, owner: str) -> None:
    """An older catalogue's, or another shop's: each file is sound, and they do not belong together."""
    # given
    publish(tmp_path / "older", worlds.chain(items=30))

    # when
    for file in (tmp_path / "older").glob(f"{owner}.*"):
        shutil.copy(file, copy.path / file.name)

    # then
    assert copy.refusal().reason == "altered"


@pytest.mark.parametrize("owner", ["items", "covisitation", "popular"])
def test_arrays_of_another_catalogue_are_refused_by_whoever_vouches_for_them(
    copy: Copy, tmp_path: Path, owner: str
) -> None:
    # given
    publish(tmp_path / "older", worlds.chain(items=30))

    # when
    for file in (tmp_path / "older").glob(f"{owner}.*"):
        copy.put(file.name, file.read_bytes())

    # then: by what cannot be, or, where all could be, by what it comes to
    assert copy.refusal().reason in ("file", "golden")


def test_a_manifest_of_another_bundle_is_refused(copy: Copy, tmp_path: Path) -> None:
    publish(tmp_path / "older", worlds.chain(seed=2))
    shutil.copy(tmp_path / "older" / MANIFEST, copy.path / MANIFEST)
    assert copy.refusal().reason in ("altered", "missing")
