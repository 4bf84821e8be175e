"""Whether a request may go on: who asks is known at once, whether he asks too often when it has been counted."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final, NamedTuple

from serving.http.buckets import Shortage
from serving.http.problems import Refused
from serving.http.request import Caller

_SECOND_US: Final = 1_000_000


class Admission(NamedTuple):
    caller: Caller
    #: What he lacks to be let through, once it is known; None itself where nobody counts.
    shortage: Awaitable[Shortage | None] | None = None

    async def counted(self) -> None:
        """Refused with 429 when he is over a limit."""
        shortage = None if self.shortage is None else await self.shortage
        if shortage is not None:
            raise _too_many(shortage)


def _too_many(shortage: Shortage) -> Refused:
    wait_s = -(-shortage.wait_us // _SECOND_US)
    detail = f"more than one {shortage.by} may ask for; ask again when Retry-After says"
    return Refused(429, "too_many", detail, headers=(("Retry-After", str(wait_s)),))
