"""Event logs to verified bundles. Nothing here is imported in production."""

from __future__ import annotations

import os

# Threads of a fit wait for each other a thousand times a second. The default is to wait busily for milliseconds, and
# where another process wants the cores, that starves the one that is waited for: two epochs over yoochoose-5day on two
# cores beside one busy process took over 150 s so, and 41 s with the short wait that OpenMP takes itself where it knows
# of too few cores (28 s with nobody beside). Read when torch is loaded, so set before that.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
