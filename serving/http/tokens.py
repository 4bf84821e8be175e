"""Session tokens: the shop's backend signs which session, and which user, a browser is; pages cannot.

    1.<key id>.<payload>.<HMAC-SHA256 of all before it>

The payload is JSON {sid, uid, site, exp}; it and the signature are base64url without padding. The signature is
compared as it is written, before anything is decoded: what was altered in any byte proves nothing.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from schemas.errors import SettingsError
from schemas.setting import Secret
from schemas.wire import Label, SessionId

_VERSION: Final = "1"
_LENGTH_MAX: Final = 1_024
_PARTS: Final = 3
#: So many characters of base64 a signing secret is made of: 256 bits.
RANDOM_BYTES: Final = 32
_SECRET_MIN: Final = 32
#: A page shows the same token with each of its requests: so many are read once, some megabytes of them.
_REMEMBERED: Final = 16_384
#: Signs for key ids that are not known, so that those take as long as the others.
_NOBODY: Final = b"\0" * 32


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a token says."""

    sid: SessionId
    site: str
    #: Epoch seconds; from then on it proves nothing.
    exp: Annotated[int, Meta(ge=0)]
    uid: Label | None = None


class SigningKey(NamedTuple):
    id: str
    secret: bytes


_DECODER: Final = msgspec.json.Decoder(Claims)


class Tokens:
    """The tokens of one site. The first key signs; all prove."""

    def __init__(self, site: str, signing: Sequence[SigningKey]) -> None:
        self._site = site
        self._first = signing[0]
        self._secrets: Mapping[str, bytes] = dict(signing)
        self._read = lru_cache(_REMEMBERED)(self._claims)

    def mint(self, session_id: str, user_id: str | None, *, ttl_s: int, now: float) -> str:
        claims = Claims(sid=session_id, site=self._site, exp=int(now) + ttl_s, uid=user_id)
        signed = f"{_VERSION}.{self._first.id}.{_encoded(msgspec.json.encode(claims))}"
        return f"{signed}.{_signature(self._first.secret, signed)}"

    def verify(self, token: str, now: float) -> Claims | None:
        """What it proves; None for one that is altered, over, of another site or signed by a stranger."""
        claims = self._read(token) if len(token) <= _LENGTH_MAX else None
        return claims if claims is not None and now < claims.exp else None

    def _claims(self, token: str) -> Claims | None:
        if not token.isascii():
            return None
        signed, _, signature = token.rpartition(".")
        parts = signed.split(".")
        known = self._secrets.get(parts[1]) if len(parts) == _PARTS and parts[0] == _VERSION else None
        genuine = hmac.compare_digest(_signature(known or _NOBODY, signed), signature)
        if known is None or not genuine:
            return None
        try:
            claims = _DECODER.decode(_decoded(parts[2]))
        except (ValueError, msgspec.DecodeError):
            return None  # a backend that signs what is no payload
        return claims if claims.site == self._site else None


def read_secrets(setting: Secret) -> list[SigningKey]:
    """The signing keys of a setting, or of the file that it names; SettingsError says what is wrong, not with what."""
    text = setting.reveal()
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text("utf-8")
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"the file of token_secrets cannot be read ({type(error).__name__}); name one with @/path"
            ) from None
    found = []
    for entry in text.replace("\n", ",").split(","):
        name, _, secret = entry.strip().partition(":")
        if len(secret) >= _SECRET_MIN and name:
            found.append(SigningKey(name, secret.encode()))
        elif entry.strip():
            raise SettingsError(
                f"an entry of token_secrets is no name:secret of at least {_SECRET_MIN} characters; "
                "`nextclick key --secret` prints one"
            )
    return found


def made_secret(random: bytes) -> str:
    return _encoded(random)


def _signature(secret: bytes, signed: str) -> str:
    return _encoded(hmac.digest(secret, signed.encode(), "sha256"))


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
