"""`nextclick stream` as a process of its own, under a guardian: as in production, and gone with whoever started it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nextclick.servers import Guardian, Server
from schemas.setting import Secret
from schemas.settings import ENVIRONMENT_PREFIX, RedisUrl, Settings

#: The module that works, and its arguments.
STREAM: Final = ("nextclick", "stream")
_ROOT: Final = Path(__file__).parent.parent


def start(guardian: Guardian, settings: Settings, name: str, module: Sequence[str] = STREAM) -> Server:
    # Its directory is one of the guardian's, so it must be told where this nextclick is. Its home goes with it, but not
    # what was compiled: that would cost every start ten seconds.
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    places = {"PYTHONPATH": str(_ROOT), "PYTHONUNBUFFERED": "1", "XDG_CACHE_HOME": cache}
    return guardian.start(name, [sys.executable, "-m", *module], environment(settings) | places)


def environment(settings: Settings) -> dict[str, str]:
    """The variables that give a process these settings."""
    defaults = Settings()
    return {
        f"{ENVIRONMENT_PREFIX}{name.upper()}": value.reveal() if isinstance(value, RedisUrl | Secret) else str(value)
        for name in Settings.__slots__
        if (value := getattr(settings, name)) != getattr(defaults, name)
    }
