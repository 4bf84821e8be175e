"""Where an interrupted fit goes on: its weights, its optimizers, its chance, and what it is a fit of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from schemas.errors import DiskError

#: Of the weights: themselves, and two moments of each.
_COPIES: Final = 3


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

    A file of another fit, or one that cannot be read, is no checkpoint of this one: the fit begins anew.
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
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torch.save({"about": dict(self.about), **said}, staged)
            os.replace(staged, self.path)
        except (OSError, RuntimeError) as error:  # the latter is what torch makes of a write that failed
            staged.unlink(missing_ok=True)
            needed = sum(tensor.nbytes for tensor in checkpoint.model.values()) * _COPIES / 2**20
            advice = f"make room for about {needed:,.0f} MiB, and the same command goes on from the epoch before"
            raise DiskError(f"{self.path} cannot be written: {_first_line(error)}; {advice}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
