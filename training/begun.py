"""What was begun: of what a fit is made, and how much of the log it was decided to learn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from schemas.errors import DiskError
from training.checkpoint import InFile, Keeper
from training.shortening import Cut

_DECISION: Final = "begun.json"
_NAME_LENGTH: Final = 12


class Origin(Struct, frozen=True, kw_only=True):
    """All that a fit hangs on: what was learned of anything else is not gone on from."""

    command: str
    log: str
    catalogue: str
    threads: int
    versions: dict[str, str]

    @property
    def digest(self) -> str:
        return sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def differs(self, other: Origin) -> str:
        """In what, as a person calls it."""
        names = {"command": "command", "log": "log", "catalogue": "catalogue", "threads": "number of threads"}
        found = [told for field, told in names.items() if getattr(self, field) != getattr(other, field)]
        return " and ".join(found) or "set of package versions"


class _Decision(Struct, frozen=True):
    origin: Origin
    cut: Cut


class Begun:
    """One fit's own folder in a training's place."""

    def __init__(self, folder: Path, origin: Origin) -> None:
        self._place: Final = folder
        self._folder: Final = folder / origin.digest[:_NAME_LENGTH]
        self._origin: Final = origin

    def cut(self) -> Cut | None:
        """What was decided when it was begun. It hung on the time that things took then, and is not decided twice."""
        found = _read(self._folder / _DECISION)
        return found.cut if found is not None and found.origin == self._origin else None

    def decide(self, cut: Cut) -> None:
        path = self._folder / _DECISION
        try:
            self._folder.mkdir(exist_ok=True)
            staged = path.with_suffix(".part")
            staged.write_bytes(msgspec.json.encode(_Decision(self._origin, cut)))
            os.replace(staged, path)
        except OSError as error:
            raise DiskError(f"{path} cannot be written: {error}; make room there and train again") from error

    def keeper(self, stage: str, about: dict[str, str | int | float]) -> Keeper:
        return InFile(self._folder / f"{stage}.pt", {"log": self._origin.digest, **about})

    def others(self) -> Iterator[str]:
        """In words what else was begun here, and is not gone on from."""
        for path in sorted(self._place.glob(f"*/{_DECISION}")):
            found = _read(path)
            if found is not None and found.origin != self._origin and any(path.parent.glob("*.pt")):
                yield (
                    f"an interrupted fit of another {self._origin.differs(found.origin)} is left as it is; "
                    f"to go on with that one: {found.origin.command}"
                )


def _read(path: Path) -> _Decision | None:
    """None where there is none, or what is there is of another release."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Decision)
    except (OSError, msgspec.DecodeError):
        return None
