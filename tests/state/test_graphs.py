"""Graphs of a bundle: each is one file, takes what it will be given, and gives what is needed, or is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from nextclick.sample import BUNDLE
from schemas.errors import BundleError
from serving.ranking import enclosed
from serving.state import bundles
from tests.kit.copies import Copy

GRAPHS: Final = ("encode.onnx", "score.onnx", "blind.onnx")


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """Of a bundle with a model."""
    return Copy(shutil.copytree(BUNDLE, tmp_path / "bundle"))


def away(model: onnx.ModelProto, location: str) -> bytes:
    """The same, its first values to be read from a file."""
    tensor = model.graph.initializer[0]
    values = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(len(values)))):
        tensor.external_data.add(key=key, value=value)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("place", ["beside", "above", "here", "absolute"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_a_graph_that_names_another_file_is_refused(
    copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, graph: str, place: str
) -> None:
    # given: the very values it needs, wherever it could look for them
    model = onnx.load_from_string((copy.path / graph).read_bytes())
    monkeypatch.chdir(tmp_path)
    for directory in (copy.path, tmp_path):
        (directory / "values").write_bytes(model.graph.initializer[0].raw_data)
    places = {"beside": "values", "above": "../values", "here": "values", "absolute": str(tmp_path / "values")}

    # when
    copy.put(graph, away(model, places[place]))

    # then
    refusal = copy.refusal()
    assert (refusal.reason, graph in refusal.detail, "one file" in refusal.detail) == ("file", True, True)


def outside() -> TensorProto:
    return TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)


def holding(tensor: TensorProto, where: str) -> onnx.ModelProto:
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    inner = helper.make_graph([constant], "inner", [], [y])
    opsets = [helper.make_opsetid("", 18)]
    if where == "a node":
        return helper.make_model(inner, opset_imports=opsets)
    if where == "a branch":
        branches = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
        return helper.make_model(helper.make_graph([branches], "outer", [], [y]), opset_imports=opsets)
    if where == "a function":
        own = helper.make_function("own", "Far", [], ["y"], [constant], opsets)
        call = helper.make_node("Far", [], ["y"], domain="own")
        return helper.make_model(helper.make_graph([call], "outer", [], [y]), functions=[own], opset_imports=opsets)
    sparse = onnx.SparseTensorProto(values=tensor, indices=tensor, dims=[1])
    return helper.make_model(helper.make_graph([], "sparse", [], [y], sparse_initializer=[sparse]))


@pytest.mark.parametrize("where", ["a node", "a branch", "a function", "a sparse tensor"])
def test_values_elsewhere_are_found_however_deep(where: str) -> None:
    with pytest.raises(ValueError, match="one file"):
        enclosed.check(holding(outside(), where).SerializeToString())
    sound = helper.make_tensor("near", TensorProto.FLOAT, [1], [1.0])
    enclosed.check(holding(sound, where).SerializeToString())


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_graph_cut_anywhere_is_refused_or_steps_to_its_end(graph: str) -> None:
    whole = (BUNDLE / graph).read_bytes()
    enclosed.check(whole)
    for end in range(1, len(whole), len(whole) // 97):
        with pytest.raises(ValueError, match="ends in the middle"):
            enclosed.check(whole[:end])


@pytest.mark.parametrize("file", GRAPHS)
@pytest.mark.parametrize("other", GRAPHS)
def test_a_graph_in_the_place_of_another_is_refused_before_anybody_asks_it(copy: Copy, file: str, other: str) -> None:
    if file == other:
        bundles.verify(copy.path)
        return
    copy.put(file, (copy.path / other).read_bytes())
    refusal = copy.refusal()
    assert refusal.reason == "graph"
    assert file in refusal.detail


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"ORTM" * 64, b"\x08\x0a", b"\xff" * 64])
def test_what_is_no_graph_is_refused(copy: Copy, data: bytes) -> None:
    copy.put("blind.onnx", data)
    refusal = copy.refusal()
    assert (refusal.reason, "blind.onnx" in refusal.detail) == ("file", True)


def test_golden_tensors_must_be_of_both_graphs(copy: Copy) -> None:
    for file in copy.path.glob("golden.score.*"):
        copy.drop(file.name)
    assert "must be of ['encode', 'score']" in copy.refusal().detail


def test_golden_tensors_that_would_fill_the_memory_are_refused(copy: Copy) -> None:
    copy.put_array("golden.encode.in.gaps.npy", np.zeros((2, 50_000), dtype=np.float32))
    assert "longer than" in copy.refusal().detail


@pytest.mark.parametrize("width", [0, 32])
def test_vectors_of_a_width_that_no_graph_has_are_refused(copy: Copy, width: int) -> None:
    for name in ("vectors.items.npy", "vectors.words.npy"):
        copy.put_array(name, copy.array(name)[:, :width])
    with pytest.raises(BundleError):
        bundles.verify(copy.path)
