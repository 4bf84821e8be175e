"""Every kind of damage to the files of a bundle is refused with its reason."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.bundle import MANIFEST
from schemas.errors import BundleError
from serving.ranking import arrays
from serving.state import bundles
from tests import worlds
from tests.kit.bundles import publish
from tests.kit.copies import Copy


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


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"order": "alphabetical"}, "alphabetical"),
        ({"relation": "adored"}, "adored"),
        ({"drop_last_item": "no"}, "drop_last_item"),
        ({"colour": "red"}, "colour"),
        ({"quotas": {"popular": 0}}, "quota below 1"),
        ({"quotas": {"popular": 1.5}}, "quotas"),
        ({"weights": {"popular": -1}}, "weight"),
        ({"weights": {"popular": 1e999}}, "weight"),
        ({"transformer_weight": -0.5}, "weight"),
        ({"quotas": {"horoscope": 5}}, "must name"),
        ({"weights": {"horoscope": 0.5}}, "must name"),
        ({"quotas": {"popular": 2**70}}, "quota"),
        ({"weights": {"popular": 1e300}}, "weight"),
        ({"parameters": {"horoscope": {"m": 5.0}}}, "horoscope"),
        ({"parameters": {"popular": {"luck": 5.0}}}, "luck"),
    ],
    ids=str,
)
def test_options_that_no_training_chose_are_refused(copy: Copy, said: dict[str, Any], says: str) -> None:
    # given: one of them in the place of what was chosen, and of a source's one name among the others
    options = json.loads((copy.path / "ranker.json").read_bytes())
    for name, value in said.items():
        options[name] = {**options[name], **value} if isinstance(value, dict) else value

    # when
    copy.put("ranker.json", json.dumps(options).replace("Infinity", "1e999").encode())

    # then
    refusal = copy.refusal()
    assert refusal.reason == "file"
    assert "ranker.json" in refusal.detail
    assert says in refusal.detail


@pytest.mark.parametrize("lists", ["quotas", "weights"])
def test_options_that_say_nothing_of_a_source_are_refused(copy: Copy, lists: str) -> None:
    # given
    options = json.loads((copy.path / "ranker.json").read_bytes())
    del options[lists]["popular"]

    # when
    copy.put("ranker.json", json.dumps(options).encode())

    # then
    assert "must name" in copy.refusal().detail


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


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_cut_anywhere_is_refused(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    # given
    file = data.draw(st.sampled_from(sorted(path.name for path in whole.iterdir())))
    content = (whole / file).read_bytes()
    copy = Copy(_fresh(whole, tmp_path / "cut"))

    # when
    copy.write(file, content[: data.draw(st.integers(0, len(content) - 2))])

    # then: of the manifest, the very last byte is a line feed
    with pytest.raises(BundleError):
        bundles.load(copy.path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_byte_is_refused_or_harmless(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    # given
    file = data.draw(st.sampled_from(sorted(path.name for path in whole.iterdir())))
    content = bytearray((whole / file).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    copy = Copy(_fresh(whole, tmp_path / "flipped"))

    # when
    copy.write(file, content)
    refused = same = False
    try:
        bundles.load(copy.path)
    except BundleError:
        refused = True
    else:
        same = file == MANIFEST and json.loads(content) == json.loads((whole / file).read_bytes())

    # then: a blank of the manifest may be another blank
    assert refused or same


def _fresh(whole: Path, path: Path) -> Path:
    """The same files by other names, which is ten times as quick to make as copies of them."""
    shutil.rmtree(path, ignore_errors=True)
    return shutil.copytree(whole, path, copy_function=os.link)


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
