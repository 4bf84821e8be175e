"""Where an interrupted fit goes on: its weights, its optimizers, its chance, and what it is a fit of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Checkpoint:
    model: dict[str, Tensor]
    optimizers: list[dict[str, Any]]
    step: int
    losses: list[float]
    chance: Mapping[str, Any]
    torch_chance: Tensor


class Keeper(Protocol):
    def find(self) -> Checkpoint | None: ...
    def keep(self, checkpoint: Checkpoint) -> None: ...


class Nowhere:
    """For a fit too short to be worth resuming."""

    def find(self) -> Checkpoint | None:
        return None

    def keep(self, checkpoint: Checkpoint) -> None:
        pass


@dataclass(frozen=True, slots=True)
class InFile:
    """A file that says what it is a fit of: `about` is the log's digest, the command, the shape, seed and lessons.

    A file of another fit, or one that cannot be read, is no checkpoint of this one: the fit begins anew and writes
    over it.
    """

    path: Path
    about: Mapping[str, str | int | float]

    def find(self) -> Checkpoint | None:
        try:
            # weights_only: nothing in the file is run.
            found = torch.load(self.path, map_location="cpu", weights_only=True)
            if found.pop("about") != dict(self.about):
                return None
            return Checkpoint(**found)
        except Exception:  # noqa: BLE001 - whatever torch raises over a file that is none of its own
            return None

    def keep(self, checkpoint: Checkpoint) -> None:
        staged = self.path.with_suffix(".part")
        said = {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}
        torch.save({"about": dict(self.about), **said}, staged)
        os.replace(staged, self.path)
