"""The lines of a file, plain or compressed, in blocks: read as a stream, never whole.

A line that cannot be read is counted by its reason and left out; a file that cannot be read is an error.
"""

from __future__ import annotations

import gzip
import io
import lzma
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Protocol

import cramjam
import polars as pl

from schemas.errors import DataError, UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: What an event or an item may weigh on its way through Kafka, and so in a file.
LINE_MAX_BYTES: Final = 64 * 1024
#: How much text is in memory at a time. Its columns take several times as much.
BLOCK_BYTES: Final = 16 * 1024 * 1024

#: And how many lines, however short: each takes some hundred bytes besides its text.
_LINES_MAX: Final = 500_000
#: What unpacking .xz may take: three times what the packer's strongest setting asks for.
_UNXZ_MAX_BYTES: Final = 256 * 1024 * 1024

COMPRESSIONS: Final = (".gz", ".xz", ".zst")
_BOM: Final = b"\xef\xbb\xbf"


class Hash(Protocol):
    """Of hashlib's objects, what is used here."""

    def update(self, data: memoryview, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one file. UsageError at once when there is none."""

    path: Path
    faults: Counter[str]
    hashed: Hash | None = None

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise UsageError(f"{self.path}: no such file")

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Blocks of `row`, the number of the line, and `text`, without the lines that are blank or at fault."""
        at = 0
        try:
            with self.path.open("rb") as raw, _decompressed(self.path, _Watched(raw, self.hashed)) as file:
                for block in chain.from_iterable(map(_parts, _blocks(file))):
                    yield self._texts(block, at + 1)
                    at += block.count(b"\n") + 1
        except (OSError, EOFError, zlib.error, lzma.LZMAError, cramjam.DecompressionError) as error:
            detail = f"{self.path}: {error}, after {at} lines; the file is damaged or cut off, fetch it again"
            raise DataError("unreadable", detail) from error

    def _texts(self, block: bytes, first: int) -> pl.DataFrame:
        lines = pl.Series("text", block.split(b"\n"), dtype=pl.Binary)
        rows = pl.int_range(first, first + len(lines), eager=True)
        frame = pl.DataFrame({"row": rows, "text": _decoded(lines, block), "size": lines.bin.size()})
        short = frame.filter(pl.col("size") <= LINE_MAX_BYTES)
        readable = short.drop_nulls("text")
        count(self.faults, too_large=len(frame) - len(short), encoding=len(short) - len(readable))
        text = pl.col("text").str.strip_suffix("\r")
        return readable.select("row", text).filter(pl.col("text").str.contains(r"\S"))


def _decoded(lines: pl.Series, block: bytes) -> pl.Series:
    """Null where a line is not UTF-8."""
    try:
        return lines.cast(pl.String)
    except pl.exceptions.ComputeError:
        texts = pl.Series("text", block.decode(errors="replace").split("\n"))
        return texts.set(texts.cast(pl.Binary) != lines, None)


def count(faults: Counter[str], **found: int) -> None:
    """Adds what there is of each; a reason that nothing has does not appear."""
    faults.update({reason: times for reason, times in found.items() if times})


def hash_file(path: Path, hashed: Hash | None) -> None:
    """For what is read by others than us."""
    if hashed is not None:
        with path.open("rb") as file:
            while data := file.read(BLOCK_BYTES):
                hashed.update(memoryview(data))


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Some lines at a time, each block without the end of its last. A file without line ends fills no memory."""
    rest = b""
    first = True
    while data := file.read(BLOCK_BYTES):
        if first:
            data, first = data.removeprefix(_BOM), False
        end = data.rfind(b"\n")
        if end < 0:
            # Longer than a line may be, it stays so; whatever is cut off here would not be looked at.
            rest = (rest + data)[: LINE_MAX_BYTES + 1]
        else:
            yield rest + data[:end]
            rest = data[end + 1 :]
    if rest:
        yield rest


def _parts(block: bytes) -> Iterator[bytes]:
    """The block in halves, and these again, until none has too many lines: a small file may unpack to those alone."""
    if block.count(b"\n") < _LINES_MAX:
        yield block
        return
    half = len(block) // 2
    middle = block.find(b"\n", half)
    middle = block.rfind(b"\n", 0, half) if middle < 0 else middle
    yield from _parts(block[:middle])
    yield from _parts(block[middle + 1 :])


@contextmanager
def _decompressed(path: Path, raw: io.RawIOBase) -> Iterator[IO[bytes]]:
    suffix = path.suffix.lower()
    file = io.BufferedReader(raw)
    if suffix == ".gz":
        with gzip.GzipFile(fileobj=file) as unzipped:
            yield io.BufferedReader(unzipped)
    elif suffix == ".xz":
        yield io.BufferedReader(_Unxz(file))
    elif suffix == ".zst":
        while file.read(BLOCK_BYTES):
            pass
        if not path.stat().st_size:
            raise EOFError("it is empty")
        # cramjam has no stream to read from, and fills a file piece by piece.
        with (
            mmap(raw.fileno(), 0, access=ACCESS_READ) as packed,
            tempfile.NamedTemporaryFile(prefix="nextclick-") as text,
        ):
            cramjam.zstd.decompress_into(packed, cramjam.File(text.name))
            yield text
    else:
        yield file


class _Unxz(io.RawIOBase):
    """The streams of an .xz, one after another. Python's own reader takes a damaged second one for the end."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._next = b""
        self._stream = lzma.LZMADecompressor(memlimit=_UNXZ_MAX_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer)
        while not (self._stream.eof and self._ended()):
            data = b""
            if self._stream.needs_input:
                data, self._next = self._next or self._packed.read(io.DEFAULT_BUFFER_SIZE), b""
                if not data:
                    raise EOFError("it ends within a stream")
            if text := self._stream.decompress(data, len(room)):
                room[: len(text)] = text
                return len(text)
        return 0

    def _ended(self) -> bool:
        """Whether no other stream follows; where one does, it is begun. Between them there may be zeros."""
        self._next = self._stream.unused_data.lstrip(b"\0")
        while not self._next:
            data = self._packed.read(io.DEFAULT_BUFFER_SIZE)
            if not data:
                return True
            self._next = data.lstrip(b"\0")
        self._stream = lzma.LZMADecompressor(memlimit=_UNXZ_MAX_BYTES)
        return False


class _Watched(io.RawIOBase):
    """A file whose bytes are hashed as they pass."""

    def __init__(self, file: IO[bytes], hashed: Hash | None) -> None:
        self._file = file
        self._hashed = hashed

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer)
        data = self._file.read(len(room))
        room[: len(data)] = data
        if self._hashed is not None:
            self._hashed.update(memoryview(data))
        return len(data)
