"""DELETE /v1/sessions/{session_id} and /v1/users/{user_id}: what is kept is forgotten, and stays forgotten.

Whose token it is not gets the same answer for every id, so that nobody learns which sessions there are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from schemas.errors import KafkaError
from schemas.wire import Label, SessionId
from serving.http.events import RETRY_AFTER
from serving.http.operations import Operation
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.http.response import Response
from serving.state.erasure import Erases

#: 204: it is forgotten. 202: the order is in Kafka and nothing can undo it; Redis follows as soon as it is back.
_ANSWERS: Final = {204: None, 202: None}
_DESCRIPTION: Final = (
    "204: it is forgotten. 202: that is certain, and done as soon as Redis is back. Events of before it count for "
    "nothing, also when they come later."
)


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    session_id: SessionId


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user_id: Label


def operations(erasure: Erases, forget: Callable[[str], object]) -> list[Operation[Any]]:
    """`forget` drops what this process itself still knows of a session."""

    async def session(parameters: Session, _: Request, caller: Caller) -> Response:
        if not caller.may_see(parameters.session_id):
            raise Refused(403, "session", "a session is erased with its own token")
        try:
            return await _erased(erasure.session(parameters.session_id))
        finally:
            forget(parameters.session_id)

    async def user(parameters: User, _: Request, caller: Caller) -> Response:
        if not caller.trusted and caller.user_id != parameters.user_id:
            raise Refused(403, "session", "a user is erased with a token that names the user")
        return await _erased(erasure.user(parameters.user_id))

    return [
        Operation(
            "DELETE",
            "/v1/sessions/{session_id}",
            "Forgets a session",
            Session,
            session,
            _ANSWERS,
            problems=(403, 503),
            description=_DESCRIPTION,
        ),
        Operation(
            "DELETE",
            "/v1/users/{user_id}",
            "Forgets a user",
            User,
            user,
            _ANSWERS,
            problems=(403, 503),
            description=_DESCRIPTION,
        ),
    ]


async def _erased(erasing: Awaitable[bool]) -> Response:
    try:
        return Response(204 if await erasing else 202)
    except KafkaError:
        raise Refused(
            503, "unavailable", "the order to erase has not reached Kafka; ask again", headers=RETRY_AFTER
        ) from None
