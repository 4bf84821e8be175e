"""Sources, pool, ranker."""

from __future__ import annotations
