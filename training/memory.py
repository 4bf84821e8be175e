"""What this process holds of the machine's memory."""

from __future__ import annotations

import ctypes
import resource
import sys


def peak_bytes() -> int:
    """The most that it ever held."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def give_back() -> None:
    """Returns what is free to the system, where its allocator would keep it.

    Tensors of a thousand different sizes leave glibc's heap so full of holes that it grows by a gigabyte an epoch.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
