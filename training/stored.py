"""Parquet as columns, decoded in a process of its own.

The decoder takes what a file says of itself at its word: a damaged one may make it panic, or end the whole process
for want of memory. Here that ends a child, and the person is told in one sentence.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, Final

import polars as pl

from schemas.errors import DataError

_ROWS: Final = 500_000
#: Before every block its size, and none behind the last: what was cut off is not taken for whole.
_SIZE_BYTES: Final = 8
#: How much of what the decoder said is shown.
_SHOWN: Final = 200


class Stored:
    """One file: its columns, then blocks of those that are asked for. Closed, its process is gone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        # The same modules as here, wherever they were found.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self._child = subprocess.Popen(
            [sys.executable, "-m", __name__, os.fspath(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=environment,
        )

    def columns(self) -> list[str]:
        columns: list[str] = json.loads(self._block())
        return columns

    def read(self, names: Mapping[str, str], structured: Collection[str]) -> Iterator[pl.DataFrame]:
        """The fields in `names`, field -> column, as text; those in `structured` as lists of it."""
        if (order := self._child.stdin) is not None:
            try:
                order.write(json.dumps([dict(names), sorted(structured)]).encode())
                order.close()
            except BrokenPipeError:
                raise self._broken() from None
        while block := self._block():
            yield pl.read_ipc(io.BytesIO(block))

    def close(self) -> None:
        self._child.kill()
        with self._child:  # waits, and closes its pipes
            self._said.close()

    def _block(self) -> bytes:
        pipe = self._child.stdout
        head = b"" if pipe is None else pipe.read(_SIZE_BYTES)
        size = int.from_bytes(head, "big")
        block = b"" if pipe is None else pipe.read(size)
        if len(head) < _SIZE_BYTES or len(block) < size:
            raise self._broken()
        return block

    def _broken(self) -> DataError:
        code = self._child.wait()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").split("\n")
        last = next((line for line in reversed(said) if line.strip()), f"its reader ended with {code}")
        shown = "".join(each for each in last if each.isprintable())[:_SHOWN]
        detail = f"{self._path}: {shown}; the file is damaged, cut off, or no Parquet: fetch or write it again"
        return DataError("unreadable", detail)


def _decode(path: Path, order: IO[bytes], out: IO[bytes]) -> None:
    """What the child does."""
    rows = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    kinds = rows.collect_schema()
    _put(out, json.dumps(list(kinds)).encode())
    names, structured = json.loads(order.read())
    fields = [
        _text(column, kinds[column]).alias(field)
        for field, column in names.items()
        if column in kinds and _fits(kinds[column], listed=field in structured)
    ]
    for block in rows.select(fields).collect_batches(chunk_size=_ROWS, maintain_order=True):
        packed = io.BytesIO()
        block.write_ipc(packed)
        _put(out, packed.getbuffer())
    _put(out, b"")


def _put(out: IO[bytes], block: bytes | memoryview) -> None:
    out.write(len(block).to_bytes(_SIZE_BYTES, "big"))
    out.write(block)
    out.flush()


def _fits(kind: pl.DataType, *, listed: bool) -> bool:
    """Whether it is a single value or, where one may be, a list of those; anything else is as if it were absent."""
    if isinstance(kind, pl.List | pl.Array):
        return listed and not kind.inner.is_nested()
    return not kind.is_nested()


def _text(column: str, kind: pl.DataType) -> pl.Expr:
    """A stored column as other files would have it; lists stay."""
    value = pl.col(column)
    if isinstance(kind, pl.Datetime):
        moment = value.dt.convert_time_zone("UTC") if kind.time_zone else value
        return moment.dt.to_string("%Y-%m-%dT%H:%M:%S%.3f" + ("Z" if kind.time_zone else ""))
    if kind.is_nested():
        return value.cast(pl.List(pl.String), strict=False)
    text = value.cast(pl.String, strict=False)
    # Numbers with gaps are often stored as floats, and an item 12.0 is the item 12.
    return text.str.strip_suffix(".0") if kind.is_float() else text


if __name__ == "__main__":
    try:
        _decode(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        sys.exit(" ".join(str(error).split()))
