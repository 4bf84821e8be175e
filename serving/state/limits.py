"""How long keys live in Redis, in application time. Garbage collection only: the fold's own clock decides
when a session is over, and every limit here leaves it room to.
"""

from __future__ import annotations

from typing import Final

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
