"""How a setting is declared: a default, what it does, what is allowed, and what reads it from text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from ipaddress import ip_network
from typing import Any, Final

#: Keys of a field's metadata.
DOC: Final = "doc"
ALLOWED: Final = "allowed"
CAST: Final = "cast"

_KEY: Final = r"[A-Za-z0-9._-]{1,64}:[0-9a-f]{64}"
_SERVER: Final = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}"


class Secret(str):
    """What signs, or where it is read from; masked in every print and log."""

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"

    def __str__(self) -> str:
        return "***" if self else ""

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def reveal(self) -> str:
        return str.__str__(self)


class Mistaken(ValueError):
    """What is wrong, where more can be said than what is allowed."""


def text(pattern: str) -> Callable[[object], str]:
    def cast(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return cast


def secret(pattern: str) -> Callable[[object], Secret]:
    read = text(pattern)
    return lambda value: Secret(read(value))


def site_keys(value: object) -> str:
    if isinstance(value, str) and re.search(r"(?:^|[,:])pub_[A-Za-z0-9_=-]+(?:,|$)", value):
        raise Mistaken("holds a key itself; `nextclick key` printed its entry too, the line `for site_keys`")
    return text(f"(?:{_KEY}(?:,{_KEY})*)?")(value)


def integer(low: int, high: int) -> Callable[[object], int]:
    def cast(value: object) -> int:
        found = int(value) if isinstance(value, str) else value
        if isinstance(found, bool) or not isinstance(found, int) or not low <= found <= high:
            raise ValueError
        return found

    return cast


def servers(value: object) -> str:
    found = text(f"{_SERVER}(?:,{_SERVER})*")(value)
    if not all(1 <= int(server.rpartition(":")[2]) <= 65_535 for server in found.split(",")):
        raise ValueError
    return found


def networks(value: object) -> str:
    found = text(r"[0-9A-Fa-f.:/,]*")(value)
    for network in filter(None, found.split(",")):
        ip_network(network)
    return found


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def setting(default: object, doc: str, allowed: str, cast: Callable[[object], object]) -> Any:
    return field(default=cast(default), metadata={DOC: doc, ALLOWED: allowed, CAST: cast})


def number(default: int, low: int, high: int, doc: str) -> Any:
    return setting(default, doc, f"a whole number from {low} to {high}", integer(low, high))


def choice(default: str, choices: tuple[str, ...], doc: str) -> Any:
    return setting(default, doc, "one of " + ", ".join(choices), text("|".join(choices)))


def limit(default: str, doc: str) -> Any:
    allowed = "PER_SECOND/BURST, each a whole number from 1 to 99999"
    return setting(default, doc, allowed, text(r"[1-9]\d{0,4}/[1-9]\d{0,4}"))
