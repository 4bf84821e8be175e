"""nextclick session show|erase"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from nextclick.verbs.declare import Verbs, json_flag, session_id, verb
from schemas.settings import Settings

if TYPE_CHECKING:
    from schemas.session import Session, State
    from serving.state.erasure import Erasure
    from serving.state.sessions import StoredList


_COPIES: Final = """\
what it does not reach: the clicks themselves stay in clickstream until its retention ends (the setting
clickstream_hours), published lists in recommendations for a day, dead letters for a week. An event log that is
played again with `nextclick replay` is new clicks, which begin the session anew."""


def declare(verbs: Verbs) -> None:
    session = verb(verbs, "session", "one shopper's session", run=None, example="nextclick session show s-42")
    below: Verbs = session.add_subparsers(title="verbs", metavar="VERB", dest="session_verb", required=True)
    show = verb(below, "show", "prints what is kept of a session", run=_show, example="nextclick session show s-42")
    json_flag(show)
    erase = verb(
        below,
        "erase",
        "forgets a session; its old records, delivered again, do not bring it back",
        run=_erase,
        example="nextclick session erase s-42",
    )
    erase.epilog = f"{erase.epilog}\n\n{_COPIES}"
    for each in (show, erase):
        each.add_argument("id", metavar="ID", type=session_id, help="the session id")


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    import asyncio

    from nextclick.terminal import say_json

    state, stored = asyncio.run(_read(settings, arguments.id))
    if arguments.json:
        say_json({"session_id": arguments.id, **_report(state, stored)})
        return 0
    for line in _lines(state, stored) or ["nothing is kept: it never clicked here, or it is over"]:
        print(line)
    return 0


async def _read(settings: Settings, session_id: str) -> tuple[State, StoredList | None]:
    from serving.state.redis import RedisSessionStore

    store = RedisSessionStore(settings.redis)
    try:
        return await store.read(session_id), await store.recommendation(session_id)
    finally:
        await store.close()


def _report(state: State, stored: StoredList | None) -> dict[str, Any]:
    import json

    import msgspec

    session, erased = state.session, state.erased
    plain = msgspec.to_builtins(session, enc_hook=str) if session else None
    if plain:
        plain["ids"] = [digest.hex() for digest in session.ids] if session else []
    return {
        "session": plain,
        "erased": msgspec.to_builtins(erased) if erased else None,
        "recommendation": json.loads(stored.body) if stored else None,
    }


def _lines(state: State, stored: StoredList | None) -> list[str]:
    from nextclick.terminal import moment

    lines = _facts(state.session) if state.session else []
    if state.erased:
        lines.append(f"erased     {moment(state.erased.at)}, at {state.erased.position}")
    if stored:
        from schemas.recommendation import decode

        found = decode(stored.body)
        lines.append(
            f"list       {found.recommendation_id}, made {moment(found.generated_at)} by {found.model.version}"
        )
        lines += [f"  {item.rank:>2}  {item.item_id:<16} {item.score:.4f}  {item.reason.text}" for item in found.items]
    return lines


def _facts(session: Session) -> list[str]:
    from nextclick.terminal import moment

    applied = [f"applied    up to {lane}.{offset}" for lane, offset in session.guards.items()]
    if session.started == 0:
        return ["not begun  nothing but late or refused events came, which are counted and not folded", *applied]
    return [
        f"started    {moment(session.started)}",
        f"seen       {moment(session.seen)}",
        f"version    {session.version}",
        *(f"recent     {moment(action.ts)}  {action.type:<8} {action.item_id}" for action in session.recent),
        *(f"cart       {item}" for item in session.cart),
        *(f"bought     {item}" for item in session.bought),
        *(f"shown      {item}" for item in session.shown),
        *applied,
    ]


def _erase(arguments: argparse.Namespace, settings: Settings) -> int:
    print(erase(settings, lambda erasure: erasure.session(arguments.id)))
    return 0


def erase(settings: Settings, ask: Callable[[Erasure], Awaitable[bool]]) -> str:
    """What to tell of it. The order is in Kafka when this returns."""
    import asyncio

    from nextclick.waiting import await_services
    from schemas.topics import Topics

    clickstream = Topics.named(settings.topic_prefix).clickstream
    await_services(settings, settings.start_wait_s, wanted=[clickstream], redis=False)
    if asyncio.run(_erased(settings, ask)):
        return "erased"
    return "the clickstream says to erase it; the workers do so when they reach it"


async def _erased(settings: Settings, ask: Callable[[Erasure], Awaitable[bool]]) -> bool:
    from serving.state.clickstream import Clickstream
    from serving.state.erasure import Erasure
    from serving.state.limits import ProfileTtl
    from serving.state.redis import RedisSessionStore

    clickstream = Clickstream.of(settings)
    store = RedisSessionStore(settings.redis, ProfileTtl.of(settings.profile_days, settings.clickstream_hours))
    try:
        await clickstream.open()
        return await ask(Erasure(clickstream, store))
    finally:
        await clickstream.close()
        await store.close()
