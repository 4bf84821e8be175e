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


def encode(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), version=_NPY_VERSION, allow_pickle=False)
    return file.getvalue()


def decode(data: bytes) -> NDArray[Any]:
    """The array in `data`, which it goes on using. ValueError when it is none, whatever its header claims."""
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != _NPY_VERSION:
        raise ValueError("not version 1.0 of the .npy form")
    try:
        shape, by_column, kind = np.lib.format.read_array_header_1_0(file)
    except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"the header cannot be read: {error}") from None
    body = memoryview(data)[file.tell() :]
    if kind.hasobject or by_column:
        raise ValueError("not a plain array in C order")
    if len(body) != math.prod(shape) * kind.itemsize:
        raise ValueError(f"{len(body)} bytes of values where the header says {shape} of {kind}")
    return np.frombuffer(body, dtype=kind).reshape(shape)


def vector(arrays: Mapping[str, NDArray[Any]], name: str, kinds: tuple[type[np.number[Any]], ...]) -> NDArray[Any]:
    """The one-dimensional array `name` of one of these kinds."""
    array = arrays[name]
    if array.ndim != 1:
        raise ValueError(f"`{name}` has {array.ndim} dimensions instead of 1")
    if array.dtype not in [np.dtype(kind) for kind in kinds]:
        raise ValueError(f"`{name}` is {array.dtype} instead of {' or '.join(kind.__name__ for kind in kinds)}")
    return array


def finite(
    arrays: Mapping[str, NDArray[Any]], name: str, kinds: tuple[type[np.number[Any]], ...], length: int | None = None
) -> NDArray[Any]:
    """Such an array, of `length` values if that is given, all of them finite and not below zero."""
    array = vector(arrays, name, kinds)
    if length is not None and len(array) != length:
        raise ValueError(f"`{name}` has {len(array)} values instead of {length}")
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` holds a value that is not a finite number")
    if (array < 0).any():
        raise ValueError(f"`{name}` holds a value below 0")
    return array


def indices(array: NDArray[Any], name: str, below: int) -> NDArray[Any]:
    if len(array) and (array.min() < 0 or array.max() >= below):
        raise ValueError(f"`{name}` holds an index outside 0 to {below - 1}")
    return array
