"""docker-compose.yml as an engine reads it: anchors followed, variables filled in, short forms written out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = ROOT / "docker-compose.yml"
#: `${NAME:-default}`, the only form that the file uses.
_VARIABLE: Final = re.compile(r"\$\{(?P<name>\w+):-(?P<default>[^}]*)\}")


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the repository, as a service sees it."""

    source: Path
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Published:
    """A port of the host, and the port of the service behind it."""

    address: str
    port: int
    inside: int


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    image: str
    ours: bool
    command: tuple[str, ...]
    environment: dict[str, str]
    mounts: tuple[Mount, ...]
    published: tuple[Published, ...]
    told: Mapping[str, Any] = field(repr=False)

    @property
    def runs_once(self) -> bool:
        return bool(self.told["restart"] == "no")

    @property
    def awaits(self) -> dict[str, str]:
        """By service that must be there before, what must be true of it."""
        return {name: told["condition"] for name, told in self.told.get("depends_on", {}).items()}

    @property
    def health(self) -> tuple[str, ...]:
        """What the engine runs to learn whether it is well; nothing where it is not to ask, or the image says."""
        first, *rest = self.told.get("healthcheck", {}).get("test", ["NONE"])
        return {"NONE": (), "CMD": tuple(rest), "CMD-SHELL": ("sh", "-c", *rest)}[first]


def read(variables: Mapping[str, str] = os.environ) -> dict[str, Service]:
    text = _VARIABLE.sub(lambda found: variables.get(found["name"]) or found["default"], COMPOSE.read_text("utf-8"))
    assert "$" not in text, "it asks for a variable in a form that is not read here"
    told = YAML(typ="safe").load(text)
    return {name: _service(name, service) for name, service in told["services"].items()}


def document(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def _service(name: str, told: Mapping[str, Any]) -> Service:
    mounts = [mount for mount in told.get("volumes", ()) if isinstance(mount, dict)]
    return Service(
        name=name,
        image=told["image"],
        ours="build" in told,
        command=tuple(map(str, told.get("command", ()))),
        environment=dict(told.get("environment", {})),
        mounts=tuple(Mount(ROOT / each["source"], each["target"], each.get("read_only", False)) for each in mounts),
        published=tuple(map(_published, told.get("ports", ()))),
        told=told,
    )


def _published(port: str) -> Published:
    address, outside, inside = port.split(":")
    return Published(address, int(outside), int(inside))
