"""The Lua scripts, each with the limits of schemas/ and server.lua put before it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Final

from schemas import facts, profile, session, traits
from serving.state import limits


@dataclass(frozen=True, slots=True)
class Script:
    """A script's source, and the name that Redis knows it by."""

    source: str
    sha: str


ERASE_CODE: Final = 0

_CONSTANTS: Final[dict[str, int]] = {
    "RECENT_MAX": session.RECENT_MAX,
    "CART_MAX": session.CART_MAX,
    "BOUGHT_MAX": session.BOUGHT_MAX,
    "SHOWN_MAX": session.SHOWN_MAX,
    "IDS_MAX": session.IDS_MAX,
    "AGE_MS": session.AGE_MS,
    "LATE_MS": session.LATE_MS,
    "FUTURE_MS": session.FUTURE_MS,
    "BOUGHT_KEPT": profile.BOUGHT_MAX,
    "LIKED_KEPT": profile.LIKED_MAX,
    "COUNT_MAX": profile.COUNT_MAX,
    "HOUR_MS": profile.HOUR_MS,
    "IDLE_TTL_MS": limits.IDLE_TTL_MS,
    "AGE_TTL_MS": limits.AGE_TTL_MS,
    "MARKER_TTL_MS": limits.MARKER_TTL_MS,
    "WATERMARK_TTL_MS": limits.WATERMARK_TTL_MS,
    "BUCKET_GRACE_MS": limits.BUCKET_GRACE_MS,
    "ERASE": ERASE_CODE,
    "CART": facts.TYPE_CODES["cart"],
    "REMOVE": facts.TYPE_CODES["remove"],
    "PURCHASE": facts.TYPE_CODES["purchase"],
    "IMPRESSION": facts.TYPE_CODES["impression"],
}


def _script(name: str) -> Script:
    head = "".join(f"local {key} = {value}\n" for key, value in _CONSTANTS.items())
    head += f"local FORMAT, TRAITS_FORMAT = '{facts.FORMAT.decode()}', '{traits.FORMAT.decode()}'\n"
    source = head + _read("server") + _read(name)
    # Redis names scripts by SHA-1; nothing here leans on its strength.
    return Script(source, sha1(source.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return files("serving.state").joinpath("lua", f"{name}.lua").read_text("utf-8")


FOLD: Final = _script("fold")
PROFILE: Final = _script("profile")
STORE: Final = _script("store")
SETTLE: Final = _script("settle")
SURVEY: Final = _script("survey")
ADVANCE: Final = _script("advance")
RATES: Final = _script("rates")
ALL: Final = (FOLD, PROFILE, STORE, SETTLE, SURVEY, ADVANCE, RATES)
