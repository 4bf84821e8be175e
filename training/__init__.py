"""Event logs to verified bundles. Nothing here is imported in production."""

from __future__ import annotations

import os

# Threads of a fit wait for each other a thousand times a second. Where another process wants their cores too, the
# default, waiting busily, costs several times the fit's own time; read when torch is loaded, so set before that.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
