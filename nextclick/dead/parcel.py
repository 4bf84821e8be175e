"""A letter on its way back into the clickstream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nextclick.dead.mended import Mended
from schemas import click
from schemas.click import Click, Erase, EraseUser
from schemas.errors import DataError
from schemas.letter import Letter, Source

#: Why a letter that is not whole stays where it is.
CUT: Final = "cut"
#: Of an order that a worker of an earlier release did not know.
USER: Final = "user"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A record that the workers will take."""

    source: Source
    event: Click | Erase
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def pack(letter: Letter, mended: Mended) -> Parcel:
    """DataError, with the reason, for what would only come to lie with the dead again.

    The key of a mended click is its session, as it must be: a letter whose one fault is its key needs no other edit.
    """
    key, value = letter.key, letter.value
    if letter.source.coordinates in mended:
        value = mended[letter.source.coordinates]
        key = key if value is None else click.decode(value).session_id.encode()
    elif letter.cut is not None:
        raise DataError(CUT, "not kept whole; `--mended` takes what it was, if you have it from elsewhere")
    event = click.read(key, value, letter.headers)
    if isinstance(event, EraseUser):
        raise DataError(USER, f"the order to erase a user; give it again: nextclick user erase {event.user_id}")
    return Parcel(letter.source, event, event.session_id.encode(), value, letter.headers)
