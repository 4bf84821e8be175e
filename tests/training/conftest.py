"""What the tests of the learned part share: one thread, small networks, and graphs that are exported once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

# torch takes seconds to load, and most tests here do without it: each fixture loads what it needs.


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch on one thread, and its chance and its modes as they were before."""
    import torch

    threads, chance = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(chance)
    torch.set_flush_denormal(False)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def small(one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training as it is, of a network small enough for a test, in few epochs."""
    from training import learning, plan, shortening
    from training.fitting import Lessons
    from training.transformer import Shape

    shape = partial(Shape, width=16, heads=2, blocks=1)
    lessons = Lessons(epochs=1, batch=256, sample=64, steps=800)
    monkeypatch.setattr(learning, "Shape", shape)
    monkeypatch.setattr(learning, "_width", lambda items: 16)
    monkeypatch.setattr(shortening, "Shape", shape)
    monkeypatch.setitem(plan.PLANS, "full", plan.Plan(lessons, lessons, rehearsed=600, tutors=1, refreshes=2))


@pytest.fixture(scope="session")
def graphs() -> dict[str, bytes]:
    """Of networks as `small` has them, before they learned anything: sound in form, fit for any shop."""
    import torch

    from serving.ranking.features import names
    from serving.ranking.sources import ALL
    from serving.ranking.sources.transformer import Transformer as Retrieval
    from training import export
    from training.correction import Correction
    from training.transformer import Shape, Transformer

    torch.manual_seed(0)
    transformer = Transformer(Shape(items=1, width=16, heads=2, blocks=1))
    whole = tuple(kind.name for kind in ALL)
    blind = tuple(name for name in whole if name != Retrieval.name)
    return {
        "encode": export.encode_graph(transformer),
        "score": export.score_graph(transformer, Correction(len(names(whole)))),
        "blind": export.blind_graph(Correction(len(names(blind)))),
    }


@pytest.fixture
def exported(graphs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The graphs that are there already in the place of those of what was learned, whose export takes seconds."""
    from training import export

    for name, data in graphs.items():
        monkeypatch.setattr(export, f"{name}_graph", lambda *_, data=data: data)
