"""nextclick key"""

from __future__ import annotations

import argparse
import re
from typing import Final

from nextclick.verbs.declare import Verbs, verb
from schemas.settings import Settings

#: What a name may be as a site key's and as a signing secret's.
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


def declare(verbs: Verbs) -> None:
    key = verb(
        verbs,
        "key",
        "makes a new site key, or a new secret that session tokens are signed with",
        run=_run,
        example="nextclick key web-2027\nnextclick key --secret t2 >> /etc/nextclick/secrets",
    )
    key.add_argument("name", metavar="NAME", nargs="?", type=_name, default="web", help="what metrics call it (web)")
    key.add_argument("--secret", action="store_true", help="print an entry for token_secrets instead")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: 1 to 32 letters, digits, dashes and underscores")
    return text


def _run(arguments: argparse.Namespace, _: Settings) -> int:
    import secrets

    from serving.http import keys, tokens

    if arguments.secret:
        print(f"{arguments.name}:{tokens.made_secret(secrets.token_bytes(tokens.RANDOM_BYTES))}")
        return 0
    made = keys.made(secrets.token_bytes(keys.RANDOM_BYTES))
    print(f"for the pages     {made}")
    print(f"for site_keys     {keys.entry(arguments.name, made)}")
    return 0
