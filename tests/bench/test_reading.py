"""What reading costs: a log of 50 million events, validated and sessionised within 2 GB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pytest

from nextclick.bench import conditions

EVENTS: Final = 50_000_000
#: What one run of the command may take of memory.
LIMIT_BYTES: Final = 2 * 10**9
_CHUNK: Final = 2_000_000
_ITEMS: Final = 200_000
_LENGTH: Final = 6
_ROOT: Final = Path(__file__).parents[2]

_GATHER: Final = """
import sys
from pathlib import Path
from training import log, past
gathered = past.gather(log.read([Path(sys.argv[1])]), {})
print(f'{{"sessions": {len(gathered.past.sessions)}, "events": {len(gathered.past.sessions.items)}}}')
"""


def zipf_log(path: Path, events: int) -> None:
    """A CSV in the order of time: sessions of some six events among thousands that run at once."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for begin in range(0, events, _CHUNK):
            rows = np.arange(begin, min(begin + _CHUNK, events))
            chunk = pl.DataFrame(
                {
                    "session_id": (rows + rng.integers(0, 50_000, len(rows))) // _LENGTH,
                    "item_id": rng.zipf(1.2, len(rows)) % _ITEMS,
                    "type": rng.choice(["view", "view", "view", "cart"], len(rows)),
                    "ts": 1_700_000_000_000 + rows * 40,
                }
            )
            named = chunk.with_columns(pl.format("session-{}", "session_id").alias("session_id"))
            named.write_csv(file, include_header=begin == 0)


@pytest.mark.bench
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(
    ("name", "command"),
    [("validated", ("-m", "nextclick", "validate", "--json")), ("sessionised for training", ("-c", _GATHER))],
)
def test_fifty_million_events_are_read_within_two_gigabytes(
    tmp_path: Path, name: str, command: tuple[str, ...]
) -> None:
    # given
    path = tmp_path / "clicks.csv"
    zipf_log(path, EVENTS)
    size = path.stat().st_size

    # when
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command, path], cwd=_ROOT, stdout=subprocess.PIPE)
    assert process.stdout
    with process.stdout:
        told = json.load(process.stdout)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    path.unlink()

    # then
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"\n{name}: {EVENTS:,} events, {told['sessions']:,} sessions, {size / 1e9:.1f} GB of CSV")
    print(f"  {seconds:.0f} s, {EVENTS / seconds:,.0f} events a second, at most {peak / 1e6:,.0f} MB of memory")
    print(f"  {conditions.line('polars', 'numpy')}")
    assert process.returncode == 0
    assert peak < LIMIT_BYTES
