"""Arrays as bytes and back: numpy's own .npy form, never a pickle, and no array that is not what it should be."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: The only version of the form that is written, and so the only one that is read.
_NPY_VERSION: Final = (1, 0)
_MAGIC: Final = b"\x93NUMPY"
#: Where that version tells the length of its header, in two bytes.
_LENGTH_AT: Final = 8
#: Every array of a bundle has such a header; whatever else Python could read out of one, no training wrote.
_HEADER: Final = re.compile(
    rb"\{'descr': '(?P<kind>[^']{1,9})', 'fortran_order': (?P<by_column>True|False), "
    rb"'shape': \((?P<shape>[0-9]{1,15},(?: [0-9]{1,15}(?:, [0-9]{1,15}){0,6})?)\), \} *\n"
)
#: Whole numbers and floats, as this machine has them.
_KIND: Final = re.compile(rb"\|[iu]1|<(?:[iu][248]|f[248])")
#: What an array without values may claim to have of the other dimensions.
_WIDE_MAX: Final = 65_536

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
    begin = _LENGTH_AT + 2
    if bytes(view[:_LENGTH_AT]) != _MAGIC + bytes(_NPY_VERSION):
        raise ValueError("not version 1.0 of the .npy form")
    end = begin + int.from_bytes(view[_LENGTH_AT:begin], "little")
    header = _HEADER.fullmatch(view[begin:end])
    if header is None:
        raise ValueError("the header cannot be read")
    if not _KIND.fullmatch(header["kind"]) or header["by_column"] != b"False":
        raise ValueError("not a plain array of numbers in C order")
    kind = np.dtype(header["kind"].decode())
    shape = tuple(int(length) for length in header["shape"].rstrip(b",").split(b","))
    body = view[end:]
    if len(body) != math.prod(shape) * kind.itemsize:
        raise ValueError(f"{len(body)} bytes of values where the header says {shape} of {kind}")
    if not body and max(shape) > _WIDE_MAX:
        raise ValueError(f"no values where the header says {shape}")
    if end % kind.alignment:
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
