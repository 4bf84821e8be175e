"""Networks out of torch and into ONNX graphs, each checked against the network that it came from."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from schemas.errors import InvariantError
from serving.ranking.golden import GoldenTensors
from serving.ranking.scorer import Graph, Scorer
from serving.ranking.sessions import DEEDS
from serving.ranking.words import Words
from training.correction import Blind, Correction
from training.inference import Inference
from training.transformer import Shape, Transformer

#: How far a graph may be off its network.
PARITY: Final = 1e-4
#: The first that has attention as one step.
_OPSET: Final = 23
_ITEMS_AT_ONCE: Final = 65_536
#: How many golden sessions, of how many items.
_GOLDEN: Final = 16

Tensors = Mapping[str, Tensor]


class Trained(nn.Module):
    """Sessions at the ends of their rows -> the session vector of each, in the form that learned it."""

    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        self.encoder = transformer.encoder

    def forward(self, vectors: Tensor, types: Tensor, gaps: Tensor, lengths: Tensor) -> Tensor:
        made: Tensor = self.encoder(vectors.float(), types, gaps, lengths, only=1)[:, 0]
        return made


class Score(nn.Module):
    """temperature x <session, candidate> + correction, and the first part by itself."""

    temperature: Tensor

    def __init__(self, transformer: Transformer, correction: Correction) -> None:
        super().__init__()
        self.register_buffer("temperature", transformer.temperature.detach().clone())
        self.correction = correction

    def forward(self, session: Tensor, candidates: Tensor, features: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.temperature * (candidates.float() @ session[:, :, None]).squeeze(2)
        return self.correction(logits, features, sizes), logits


def encode_graph(transformer: Transformer) -> bytes:
    d = transformer.shape.width
    b, t = torch.export.Dim("b", min=1, max=4096), torch.export.Dim("t", min=1, max=64)
    inputs = {
        "vectors": normalize(torch.randn(3, 4, d), dim=-1).half(),
        "types": torch.zeros(3, 4, dtype=torch.long),
        "gaps": torch.rand(3, 4) * 100,
        "lengths": torch.tensor([4, 2, 1]),
    }
    shapes = {"vectors": {0: b, 1: t}, "types": {0: b, 1: t}, "gaps": {0: b, 1: t}, "lengths": {0: b}}
    data = _exported(Inference(transformer.encoder), inputs, shapes, ["session"])
    _check(Trained(transformer).eval(), inputs, data)
    return data


def score_graph(transformer: Transformer, correction: Correction) -> bytes:
    b, n = torch.export.Dim("b", min=1, max=4096), torch.export.Dim("n", min=1, max=1024)
    inputs = {
        "session": normalize(torch.randn(3, transformer.shape.width), dim=-1),
        "candidates": normalize(torch.randn(3, 7, transformer.shape.width), dim=-1).half(),
        "features": torch.randn(3, 7, len(correction.mean)),
        "sizes": torch.tensor([7, 3, 1]),
    }
    shapes = {"session": {0: b}, "candidates": {0: b, 1: n}, "features": {0: b, 1: n}, "sizes": {0: b}}
    return _exported(Score(transformer, correction), inputs, shapes, ["scores", "logits"])


def blind_graph(blind: Correction) -> bytes:
    b, n = torch.export.Dim("b", min=1, max=4096), torch.export.Dim("n", min=1, max=1024)
    inputs = {"features": torch.randn(3, 7, len(blind.mean)), "sizes": torch.tensor([7, 3, 1])}
    return _exported(Blind(blind), inputs, {"features": {0: b, 1: n}, "sizes": {0: b}}, ["scores"])


def untaught(features: int, seed: int) -> tuple[Transformer, Correction]:
    """Networks that have learned nothing: they cost what others cost."""
    torch.manual_seed(seed)
    return Transformer(Shape(items=1)), Correction(features)


def golden_tensors(scorer: Scorer, features: int) -> GoldenTensors:
    """Sixteen sessions that no shop ever had, and what the graphs make of them."""
    chance = np.random.default_rng(_GOLDEN)
    vectors = chance.normal(size=(_GOLDEN, _GOLDEN, scorer.width))
    unit = (vectors / np.linalg.norm(vectors, axis=2, keepdims=True)).astype(np.float16)
    encode = {
        "vectors": unit,
        "types": chance.integers(0, len(DEEDS), size=(_GOLDEN, _GOLDEN)),
        "gaps": chance.uniform(0, 600, size=(_GOLDEN, _GOLDEN)).astype(np.float32),
        "lengths": np.arange(1, _GOLDEN + 1),
    }
    score = {
        "session": unit[:, 0].astype(np.float32),
        "candidates": unit,
        "features": chance.uniform(0, 1, size=(_GOLDEN, _GOLDEN, features)).astype(np.float32),
        "sizes": np.full(_GOLDEN, _GOLDEN),
    }
    return GoldenTensors.of(scorer.run, {"encode": encode, "score": score})


def item_vectors(transformer: Transformer, words: Words, known: NDArray[np.bool_]) -> NDArray[np.float16]:
    """(items, d) of length 1, as production reads them. An item that is not `known` is told by its words alone."""
    transformer.eval()
    count = transformer.shape.items
    parts = [np.zeros((0, transformer.shape.width), dtype=np.float16)]
    with torch.no_grad():
        for begin in range(0, count, _ITEMS_AT_ONCE):
            items = np.arange(begin, min(begin + _ITEMS_AT_ONCE, count))
            told, starts = words.select(items) if words else (None, None)
            spoken = None if told is None or starts is None else (torch.from_numpy(told), torch.from_numpy(starts))
            own = torch.from_numpy(known[items] | (words.lengths[items] == 0))
            made = transformer.items(torch.from_numpy(items), *(spoken or (None, None)), own.float())
            parts.append(made.numpy().astype(np.float16))
    return np.concatenate(parts)


def word_vectors(transformer: Transformer) -> NDArray[np.float16]:
    """(words, d), of which an item's part is the mean; none without a catalogue."""
    words = transformer.items.words
    if words is None:
        return np.zeros((0, transformer.shape.width), dtype=np.float16)
    return words.weight.detach().numpy().astype(np.float16)


def _exported(network: nn.Module, inputs: Tensors, shapes: dict[str, Any], outputs: list[str]) -> bytes:
    network.eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            kwargs=dict(inputs),
            dynamic_shapes=shapes,
            input_names=list(inputs),
            output_names=outputs,
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    network.eval()  # the exporter leaves what it traced in training mode
    if program is None:
        raise InvariantError("torch exported no graph")
    data = _bare(program)
    _check(network, inputs, data)
    return data


def _bare(program: torch.onnx.ONNXProgram) -> bytes:
    """Without where in which source each node came from: that differs between machines, and is most of the bytes."""
    model = program.model_proto
    model.ClearField("metadata_props")
    for node in (*model.graph.node, *(inner for function in model.functions for inner in function.node)):
        node.ClearField("metadata_props")
    for value in (*model.graph.value_info, *model.graph.initializer, *model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
    data: bytes = model.SerializeToString()
    return data


def _check(network: nn.Module, inputs: Tensors, data: bytes) -> None:
    with torch.no_grad():
        expected = network(**inputs)
    found = Graph("exported", data).run({name: value.numpy() for name, value in inputs.items()})
    for one, other in zip(expected if isinstance(expected, tuple) else (expected,), found, strict=True):
        if not (apart := float(np.abs(one.numpy() - other).max())) <= PARITY:  # nor when it is no number
            raise InvariantError(f"the exported graph is {apart:.1e} off its network; more than {PARITY} is refused")
