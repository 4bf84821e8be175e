"""nextclick token SESSION"""

from __future__ import annotations

import argparse
from typing import Final

from nextclick.verbs.declare import Verbs, positive, session_id, user_id, verb
from schemas.settings import Settings

_TTL_S: Final = 3_600


def declare(verbs: Verbs) -> None:
    token = verb(
        verbs,
        "token",
        "signs a session token, as the shop's backend does, to try the endpoint with",
        run=_run,
        example='curl -H "X-Api-Key: $KEY" -H "X-Session-Token: $(nextclick token s-1)" '
        "http://localhost:8080/v1/recommendations/s-1",
    )
    token.add_argument("session", metavar="SESSION", type=session_id, help="the session id")
    token.add_argument("--user", metavar="USER", type=user_id, help="the user that the session is of")
    token.add_argument(
        "--ttl", metavar="SECONDS", type=positive, default=_TTL_S, help=f"for so long it proves something ({_TTL_S})"
    )


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    import time

    from schemas.errors import SettingsError
    from serving.http.tokens import Tokens, read_secrets

    signing = read_secrets(settings.token_secrets)
    if not signing:
        raise SettingsError("token_secrets is empty; `nextclick key --secret` prints an entry for it")
    tokens = Tokens(settings.site, signing)
    print(tokens.mint(arguments.session, arguments.user, ttl_s=arguments.ttl, now=time.time()))
    return 0
