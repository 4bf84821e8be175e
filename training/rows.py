"""Files of rows: NDJSON, or CSV and TSV with a header, a row a line; plain, .gz or .xz. Read as a stream, never whole.

A row that cannot be read is counted by its reason and left out; a file that cannot be read is an error.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol

import msgspec

from schemas.errors import DataError, UsageError

#: What an event or an item may weigh on its way through Kafka, and so in a file.
LINE_MAX_BYTES: Final = 64 * 1024

_FORMATS: Final = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".tsv": "tsv"}
_COMPRESSIONS: Final = (".gz", ".xz")
_TO_COME: Final = {
    ".parquet": "Parquet cannot be read yet; write it as CSV or NDJSON",
    ".zst": "zstd cannot be read yet; compress with gzip or xz",
}
_READABLE: Final = "an event log or catalogue is .ndjson, .csv or .tsv, plain, .gz or .xz"


class Hash(Protocol):
    """Of hashlib's objects, what is used here."""

    def update(self, data: memoryview, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Row:
    """One row by its columns; in CSV and TSV all values are text and empty ones are absent."""

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file. UsageError at once for a file of another kind or none."""

    path: Path
    faults: Counter[str]
    #: What must be a column; only a file with a header can tell before its first row.
    wanted: Collection[str] = ()
    hashed: Hash | None = None

    def __post_init__(self) -> None:
        form(self.path)
        if not self.path.is_file():
            raise UsageError(f"{self.path}: no such file")

    def __iter__(self) -> Iterator[Row]:
        number = 0
        try:
            with self.path.open("rb") as raw:
                file = _decompressed(io.BufferedReader(_Watched(raw, self.hashed)), self.path.suffix.lower())
                for number, values in enumerate(self._values(file), start=1):
                    yield Row(number, values)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            detail = f"{self.path}: {error}, after {number} rows; the file is damaged or cut off, fetch it again"
            raise DataError("unreadable", detail) from error

    def _values(self, file: IO[bytes]) -> Iterator[Mapping[str, Any]]:
        kind = form(self.path)
        return self._objects(file) if kind == "ndjson" else self._records(file, kind)

    def _objects(self, file: IO[bytes]) -> Iterator[Mapping[str, Any]]:
        for line in self._lines(file):
            if not line.strip():
                continue
            try:
                values = msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError):
                values = None
            if isinstance(values, dict):
                yield values
            else:
                self.faults["not_json"] += 1

    def _records(self, file: IO[bytes], kind: str) -> Iterator[Mapping[str, Any]]:
        lines = self._lines(file)
        head = next(lines, "")
        columns = next(csv.reader([head], delimiter=_delimiter(head, kind)), [])
        if missing := sorted(set(self.wanted) - set(columns)):
            detail = f"{self.path} has no column {', '.join(missing)}; it has {', '.join(columns) or 'none'}"
            raise DataError("columns", f"{detail}. Name the right one with --map FIELD=COLUMN")
        if twice := sorted(name for name, times in Counter(columns).items() if name and times > 1):
            detail = f"{self.path} has the column {', '.join(twice)} twice, and which of them is meant cannot be told"
            raise DataError("columns", f"{detail}. Rename or remove one")
        alone = _Alone(lines)
        cells = csv.reader(alone, delimiter=_delimiter(head, kind))
        while True:
            alone.begun = False
            try:
                record = next(cells)
            except StopIteration:
                return
            except csv.Error:
                record = ["?"] * (len(columns) + 1)
            if alone.unclosed:
                alone.unclosed = False
                self.faults["quote"] += 1
            elif len(record) == len(columns):
                yield {column: cell for column, cell in zip(columns, record, strict=True) if cell}
            elif record:
                self.faults["cells"] += 1

    def _lines(self, file: IO[bytes]) -> Iterator[str]:
        """Line by line, each bounded, so that a file without line ends cannot fill the memory."""
        first = True
        while line := file.readline(LINE_MAX_BYTES + 1):
            if len(line) > LINE_MAX_BYTES:
                self.faults["too_large"] += 1
                while line and not line.endswith(b"\n"):
                    line = file.readline(LINE_MAX_BYTES + 1)
                continue
            try:
                yield line.decode("utf-8-sig" if first else "utf-8")
            except UnicodeDecodeError:
                self.faults["encoding"] += 1
            first = False


class _Alone:
    """Lines for csv.reader, of which none goes on in the next: a stray quote would swallow the rest of the file."""

    __slots__ = ("_lines", "begun", "unclosed")

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        #: The reader has had a line of its record. Whoever takes records from it says when one is done.
        self.begun = False
        #: The record has a quote that did not close on its line.
        self.unclosed = False

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            if self.begun:
                self.unclosed = True
                yield '"'
            self.begun = True
            yield line
        self.unclosed = self.begun


def form(path: Path) -> str:
    """The format a file's name claims."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSIONS:
        suffixes.pop()
    last = suffixes[-1] if suffixes else ""
    if last not in _FORMATS:
        raise UsageError(f"{path}: {_TO_COME.get(last, _READABLE)}")
    return _FORMATS[last]


def _delimiter(head: str, kind: str) -> str:
    """Half of Europe's CSV has semicolons."""
    return "\t" if kind == "tsv" else ";" if head.count(";") > head.count(",") else ","


def _decompressed(file: IO[bytes], suffix: str) -> IO[bytes]:
    if suffix == ".gz":
        # A BufferedReader again: GzipFile's own readline is several times slower.
        return io.BufferedReader(gzip.GzipFile(fileobj=file))
    if suffix == ".xz":
        return io.BufferedReader(lzma.LZMAFile(file))
    return file


class _Watched(io.RawIOBase):
    """A file whose bytes are hashed as they pass."""

    def __init__(self, file: IO[bytes], hashed: Hash | None) -> None:
        self._file = file
        self._hashed = hashed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        if self._hashed is not None:
            self._hashed.update(memoryview(data))
        return len(data)
