"""Arrays as bytes and back: numpy's own .npy form, never a pickle, and no array that is not what it should be."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: The only version of the form that is written, and so the only one that is read.
_NPY_VERSION: Final = (1, 0)
#: Where that version tells the length of its header, in two bytes.
_LENGTH_AT: Final = 8

Buffer = bytes | memoryview


def encode(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), version=_NPY_VERSION, allow_pickle=False)
    return file.getvalue()


def decode(data: Buffer) -> NDArray[Any]:
    """The array in `data`, as a view that nobody can write through: what lies in a mapped file stays there.

    ValueError when it is none, whatever its header claims.
    """
    view = memoryview(data).toreadonly()
    file = io.BytesIO(view[: _LENGTH_AT + 2 + int.from_bytes(view[_LENGTH_AT : _LENGTH_AT + 2], "little")])
    if np.lib.format.read_magic(file) != _NPY_VERSION:
        raise ValueError("not version 1.0 of the .npy form")
    try:
        shape, by_column, kind = np.lib.format.read_array_header_1_0(file)
    except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"the header cannot be read: {error}") from None
    body = view[file.tell() :]
    if kind.hasobject or by_column:
        raise ValueError("not a plain array in C order")
    if len(body) != math.prod(shape) * kind.itemsize:
        raise ValueError(f"{len(body)} bytes of values where the header says {shape} of {kind}")
    if file.tell() % kind.alignment:
        raise ValueError("its values do not lie where a processor wants them")
    return np.frombuffer(body, dtype=kind).reshape(shape)


def vector(
    arrays: Mapping[str, NDArray[Any]], name: str, kinds: tuple[type[np.number[Any]], ...], length: int | None = None
) -> NDArray[Any]:
    """The one-dimensional array `name` of one of these kinds, of `length` values if that is given."""
    array = arrays[name]
    if array.ndim != 1:
        raise ValueError(f"`{name}` has {array.ndim} dimensions instead of 1")
    if array.dtype not in [np.dtype(kind) for kind in kinds]:
        raise ValueError(f"`{name}` is {array.dtype} instead of {' or '.join(kind.__name__ for kind in kinds)}")
    if length is not None and len(array) != length:
        raise ValueError(f"`{name}` has {len(array)} values instead of {length}")
    return array


def finite(
    arrays: Mapping[str, NDArray[Any]], name: str, kinds: tuple[type[np.number[Any]], ...], length: int | None = None
) -> NDArray[Any]:
    """Such an array, all of its values finite and not below zero."""
    array = vector(arrays, name, kinds, length)
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` holds a value that is not a finite number")
    if (array < 0).any():
        raise ValueError(f"`{name}` holds a value below 0")
    return array


def starts(arrays: Mapping[str, NDArray[Any]], name: str, size: int, owners: int | None = None) -> NDArray[np.int64]:
    """The array `name` that says where each owner's part of `size` values begins, and last where they end."""
    array = vector(arrays, name, (np.int64,), None if owners is None else owners + 1)
    if not len(array) or array[0] != 0 or array[-1] != size or (array[1:] < array[:-1]).any():
        raise ValueError(f"`{name}` does not divide {size} values")
    return array


def indices(array: NDArray[Any], name: str, below: int) -> NDArray[Any]:
    if len(array) and (array.min() < 0 or array.max() >= below):
        raise ValueError(f"`{name}` holds an index outside 0 to {below - 1}")
    return array
