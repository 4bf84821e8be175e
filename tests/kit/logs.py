"""Event logs as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

HEAD: Final = "session_id,item_id,ts\n"
MS: Final = 1_700_000_000_000


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def stored(path: Path, events: Sequence[tuple[str, str, int]]) -> Path:
    pl.DataFrame(events, schema=["session_id", "item_id", "ts"], orient="row").write_parquet(path)
    return path
