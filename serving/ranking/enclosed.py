"""A graph is one file: ONNX lets it name others, by any path, that its values are then read from.

Read are the bytes themselves, as protocol buffers lay them out, since production has no library for it. Of each message
only the fields are followed that lead to a tensor; everything else is stepped over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

#: Message -> the number of a field -> the message in it.
_WITHIN: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
#: Of a tensor: where its values lie, and which of the two places it means.
_EXTERNAL_DATA: Final = 13
_DATA_LOCATION: Final = 14

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_SIZES: Final = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_VARINT_MAX: Final = 10


def check(model: bytes) -> None:
    """ValueError when values of the graph are to be read from elsewhere, or it is no graph at all."""
    left = [("model", memoryview(model))]
    while left:
        kind, message = left.pop()
        for field, value, body in _fields(message):
            if kind == "tensor" and (field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value)):
                raise ValueError("values of it are to be read from another file, and a graph must be one file")
            if body is not None and field in _WITHIN.get(kind, {}):
                left.append((_WITHIN[kind][field], body))


def _fields(message: memoryview) -> Iterator[tuple[int, int, memoryview | None]]:
    """Of each its number and its value, or the bytes of it where it has a length."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        form, value, body = tag & 7, 0, None
        if form in (_VARINT, _LENGTH):
            value, at = _varint(message, at)
        elif form not in _SIZES:
            raise ValueError("it is no ONNX")
        if form != _VARINT:
            length = value if form == _LENGTH else _SIZES[form]
            body, at = message[at : at + length], at + length
        if at > len(message):
            raise ValueError("it ends in the middle")
        yield tag >> 3, value, body if form == _LENGTH else None


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A whole number, seven bits a byte, and where it ends."""
    value = 0
    for place, byte in enumerate(message[at : at + _VARINT_MAX]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("it ends in the middle")
