"""nextclick user show|erase"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from nextclick.verbs.declare import Verbs, json_flag, user_id, verb
from schemas.settings import Settings

if TYPE_CHECKING:
    from schemas.profile import Profile


_COPIES: Final = """\
it forgets the whole hour that it falls into, so what the user does in the rest of it is not kept either. What it does
not reach: sessions, which know no user and are over within a day (erase each with `nextclick session erase`), and the
clicks themselves, which stay in clickstream until its retention ends (the setting clickstream_hours). An event log that
is played again with `nextclick replay` is new clicks, which begin the profile anew."""


def declare(verbs: Verbs) -> None:
    user = verb(verbs, "user", "one user across sessions", run=None, example="nextclick user show u-7")
    below: Verbs = user.add_subparsers(title="verbs", metavar="VERB", dest="user_verb", required=True)
    show = verb(below, "show", "prints what is kept of a user", run=_show, example="nextclick user show u-7")
    json_flag(show)
    erase = verb(
        below,
        "erase",
        "forgets a user; old records, delivered again, do not bring the profile back",
        run=_erase,
        example="nextclick user erase u-7",
    )
    erase.epilog = f"{erase.epilog}\n\n{_COPIES}"
    for each in (show, erase):
        each.add_argument("id", metavar="ID", type=user_id, help="the user id")


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    import asyncio

    import msgspec

    from nextclick.terminal import say_json

    profile = asyncio.run(_read(settings, arguments.id))
    if arguments.json:
        say_json({"user_id": arguments.id, **msgspec.to_builtins(profile)})
        return 0
    for line in _lines(profile) or ["nothing is kept: profiles are off, or the user never clicked here with consent"]:
        print(line)
    return 0


async def _read(settings: Settings, user_id: str) -> Profile:
    from serving.state.redis import RedisSessionStore

    store = RedisSessionStore(settings.redis)
    try:
        (profile,) = await store.profiles([user_id])
        return profile
    finally:
        await store.close()


def _lines(profile: Profile) -> list[str]:
    from nextclick.terminal import moment, plain

    listed = [("bought", profile.bought), ("liked", profile.liked)]
    lines = [
        f"{name:<10} {moment(deed.last)}  {deed.type:<8} {deed.count:>5} x  {plain(deed.item_id)}"
        for name, deeds in listed
        for deed in deeds
    ]
    if profile.erased is not None:
        lines.append(f"erased     {moment(profile.erased)}, with all of its hour")
    return [*lines, *(f"applied    up to {lane}.{offset}" for lane, offset in sorted(profile.guards.items()))]


def _erase(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.verbs.session import erase

    print(erase(settings, lambda erasure: erasure.user(arguments.id)))
    return 0
