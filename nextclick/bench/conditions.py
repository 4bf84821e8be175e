"""What a figure depends on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

_CPUS: Final = Path("/proc/cpuinfo")
_MODEL: Final = "model name"


def line(*packages: str) -> str:
    """All of it in one line."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"Python {platform.python_version()} on {os.cpu_count()} cores of {processor()}; {versions}"


def told(*packages: str) -> dict[str, str | int]:
    """The same for programs."""
    versions = {name: version(name) for name in packages}
    return {"cpu": processor(), "cores": os.cpu_count() or 1, "python": platform.python_version(), **versions}


def processor() -> str:
    """Its model where the system tells it, else its architecture."""
    texts = _CPUS.read_text(encoding="utf-8").splitlines() if _CPUS.exists() else []
    models = [text.partition(":")[2].strip() for text in texts if text.startswith(_MODEL)]
    return f"{models[0]} ({platform.machine()})" if models else platform.processor() or platform.machine()


def load() -> str:
    """What else the machine was busy with when it was asked to measure."""
    return f"load average {os.getloadavg()[0]:.1f} at the beginning"
