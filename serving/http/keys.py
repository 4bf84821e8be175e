"""Publishable site keys: any page of the shop shows one, and it opens nothing. It says which shop asks, so that
others' pages are turned away and one that is misused can be replaced.

Only hashes are configured; several are good at once, so that a new key is everywhere before the old one goes.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Self

_PREFIX: Final = "pub_"
#: So many random bytes a key is made of; nobody guesses it, so that its hash needs no salt.
RANDOM_BYTES: Final = 24
#: More than any key of ours is long.
_LENGTH_MAX: Final = 128


class SiteKeys:
    def __init__(self, hashes: Sequence[tuple[str, bytes]]) -> None:
        self._hashes = tuple(hashes)
        self._good: dict[str, str] = {}

    @classmethod
    def read(cls, setting: str) -> Self:
        pairs = (pair.split(":") for pair in setting.split(",") if pair)
        return cls([(name, bytes.fromhex(hashed)) for name, hashed in pairs])

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def name_of(self, key: str) -> str | None:
        """Which of the keys it is. One that was good is known again: only who has it sees that it takes less time."""
        return self._good.get(key) or self._compared(key)

    def _compared(self, key: str) -> str | None:
        """All are compared, and each whole, whatever is found."""
        if len(key) > _LENGTH_MAX:
            return None
        digest, found = _digest(key), None
        for name, known in self._hashes:
            if compare_digest(digest, known):
                found = name
        if found is not None:
            self._good[key] = found
        return found


def made(random: bytes) -> str:
    return _PREFIX + urlsafe_b64encode(random).decode()


def entry(name: str, key: str) -> str:
    """What the setting `site_keys` has for a key."""
    return f"{name}:{_digest(key).hex()}"


def _digest(key: str) -> bytes:
    return sha256(key.encode(errors="backslashreplace")).digest()
