"""What a figure depends on, in one line."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version


def line(*packages: str) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores; {versions}"
