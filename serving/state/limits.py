"""How long keys live in Redis, in application time. Garbage collection only: the fold's own clock decides
when a session is over, and every limit here leaves it room to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from schemas.session import AGE_MS, IDLE_MS

#: A worker that lags finds a session that its record clock still counts alive.
GRACE_MS: Final = 5 * 60_000
IDLE_TTL_MS: Final = IDLE_MS + GRACE_MS
AGE_TTL_MS: Final = AGE_MS + GRACE_MS
#: As far back as a rewind reaches, so that none of it brings back what was erased.
MARKER_TTL_MS: Final = 24 * 3_600_000
#: Longer than any session it could name.
PENDING_TTL_MS: Final = AGE_TTL_MS
#: As long as the dead-letter topic keeps a letter: until then it must not be sent back a second time unasked.
REPLAYED_TTL_MS: Final = 7 * 24 * 3_600_000
#: As long as an idle session: whoever finds no watermark may find no session either.
WATERMARK_TTL_MS: Final = IDLE_TTL_MS
#: A bucket of requests that is full again is as good as none; so much longer, lest a slow script ends one early.
BUCKET_GRACE_MS: Final = 1_000

_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class ProfileTtl:
    """From the last record that concerned the user."""

    plain_ms: int
    #: Of one that was erased, and with it of the marker: no shorter than the topic keeps what was forgotten, so that
    #: even whoever reads all of it again brings nothing back.
    erased_ms: int

    @classmethod
    def of(cls, profile_days: int, clickstream_hours: int) -> Self:
        plain = profile_days * 24 * _HOUR_MS
        return cls(plain, max(plain, clickstream_hours * _HOUR_MS + MARKER_TTL_MS))
