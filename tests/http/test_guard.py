"""What every request passes: a key, perhaps a token, the limits; and what it learns when it does not pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from schemas.errors import NextclickError, RedisError, SettingsError
from schemas.setting import Secret
from schemas.settings import Settings
from serving.http.admission import Admission
from serving.http.buckets import By
from serving.http.guard import Guard
from serving.http.keys import entry
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.state.gathered import Gathered
from serving.state.pipeline import Call, Reply
from tests.kit.doors import KEY, NOW, Remembering, guarded, request, token

T = TypeVar("T")


class Absent:
    """A Redis that is away."""

    async def each(self, calls: Sequence[Call]) -> list[Reply | NextclickError]:
        raise RedisError("Redis does not answer; check that it runs")


def asked(settings: Settings, ask: Callable[[Guard], Coroutine[Any, Any, T]], watch: Remembering | None = None) -> T:
    async def whole() -> T:
        return await ask(Guard(settings, Gathered(Absent()), watch or Remembering(), lambda: NOW))

    return asyncio.run(whole())


async def passed(admission: Admission) -> Caller:
    await admission.counted()
    return admission.caller


def admitted(given: Request, *, stream: bool = False, **chosen: Any) -> Caller:
    return asked(guarded(**chosen), lambda guard: passed(guard.admit(given, stream=stream)))


def refused(given: Request, *, stream: bool = False, **chosen: Any) -> Refused:
    with pytest.raises(Refused) as found:
        admitted(given, stream=stream, **chosen)
    return found.value


def test_a_good_key_is_known_by_its_name() -> None:
    assert admitted(request(x_api_key=KEY)) == Caller(key="web")


def test_a_good_token_says_which_session_and_which_user() -> None:
    given = request(x_api_key=KEY, x_session_token=token("s-1", "u-7"))
    assert admitted(given) == Caller("web", "s-1", "u-7")


@pytest.mark.parametrize(
    "given",
    [request(), request(x_api_key=""), request(x_api_key=KEY[:-1]), request(x_api_key=KEY.upper())],
    ids=["none", "empty", "short", "other case"],
)
def test_without_a_good_key_nobody_is_admitted_and_all_are_told_the_same(given: Request) -> None:
    assert refused(given).response() == refused(request(x_api_key="pub_of-nobody")).response()
    assert refused(given).status == 401


def test_a_key_of_a_rotation_is_good_beside_the_other() -> None:
    both = f"{entry('old', 'pub_old')},{entry('new', 'pub_new')}"

    assert admitted(request(x_api_key="pub_old"), site_keys=both).key == "old"
    assert admitted(request(x_api_key="pub_new"), site_keys=both).key == "new"


@pytest.mark.parametrize(
    "proof",
    ["", "s-1", token("s-1", ttl_s=0), token("s-1")[:-1] + "_", token("s-1").replace("1.t1.", "1.t2.")],
    ids=["none", "bare id", "expired", "altered", "stranger"],
)
def test_a_token_that_proves_nothing_is_no_token(proof: str) -> None:
    caller = admitted(request(x_api_key=KEY, x_session_token=proof))

    assert caller == Caller("web") == admitted(request(x_api_key=KEY))
    assert not caller.may_see("s-1")


def test_another_sites_token_is_no_token() -> None:
    assert admitted(request(x_api_key=KEY, x_session_token=token("s-1")), site="other-shop") == Caller("web")


def test_a_token_opens_one_session_and_no_other() -> None:
    caller = admitted(request(x_api_key=KEY, x_session_token=token("s-1")))
    assert caller.may_see("s-1")
    assert not caller.may_see("s-2")


def test_of_streams_alone_key_and_token_may_stand_in_the_query() -> None:
    given = request(query=f"placement=home&key={KEY}&token={token('s-1')}")

    assert admitted(given, stream=True) == Caller("web", "s-1")
    assert refused(given).status == 401


def test_a_closing_page_hands_key_and_token_in_by_its_body() -> None:
    def handed(key: str, given: Request) -> Caller:
        return asked(guarded(), lambda guard: passed(guard.admit_beacon(key, token("s-1"), given)))

    assert handed(KEY, request()) == Caller("web", "s-1")
    with pytest.raises(Refused):
        handed("", request(x_api_key=KEY))


async def fates(guard: Guard, requests: Sequence[Request]) -> list[int]:
    """200 or what it is refused with, for each."""
    found = []
    for given in requests:
        try:
            await guard.admit(given, stream=False).counted()
            found.append(200)
        except Refused as error:
            found.append(error.status)
    return found


def test_a_key_a_session_and_an_address_each_have_their_limit() -> None:
    def counted(requests: Sequence[Request], **chosen: Any) -> tuple[int, dict[By, int]]:
        watch = Remembering()
        settings = guarded(**{f"{name}_limit": "1/100" for name in ("key", "session", "address")} | chosen)
        return asked(settings, lambda guard: fates(guard, requests), watch).count(200), dict(watch.refusals)

    one_session = [request(f"192.0.2.{n}", x_api_key=KEY, x_session_token=token("s-1")) for n in range(20)]
    one_address = [request(x_api_key=KEY, x_session_token=token(f"s-{n}")) for n in range(20)]
    one_key = [request(f"192.0.2.{n}", x_api_key=KEY, x_session_token=token(f"s-{n}")) for n in range(20)]

    assert counted(one_session, session_limit="1/5") == (5, {"session": 15})
    assert counted(one_address, address_limit="1/5") == (5, {"address": 15})
    assert counted(one_key, key_limit="1/5") == (5, {"key": 15})
    assert counted(one_key) == (20, {})


def test_who_asks_too_much_is_told_when_to_ask_again() -> None:
    watch = Remembering()
    given = request(x_api_key=KEY)

    async def twice(guard: Guard) -> None:
        await guard.admit(given, stream=False).counted()
        await guard.admit(given, stream=False).counted()

    with pytest.raises(Refused) as found:
        asked(guarded(address_limit="1/1"), twice, watch)

    assert found.value.status == 429
    assert found.value.headers == (("Retry-After", "1"),)
    assert given.address not in found.value.response().body.decode()


def test_nobody_without_the_token_uses_up_a_sessions_limit() -> None:
    strangers = [request(f"192.0.2.{n}", x_api_key=KEY, x_session_token="s-1") for n in range(20)]
    owner = request("198.51.100.1", x_api_key=KEY, x_session_token=token("s-1"))

    assert asked(guarded(session_limit="1/1"), lambda guard: fates(guard, [*strangers, owner])) == [200] * 21


def test_behind_a_proxy_of_ours_each_client_is_counted_by_itself() -> None:
    def through(*hops: str) -> list[Request]:
        return [request("10.0.0.1", x_api_key=KEY, x_forwarded_for=hop) for hop in hops]

    clients, liars = through("192.0.2.1", "192.0.2.2"), through("192.0.2.8, 192.0.2.1", "192.0.2.9, 192.0.2.1")
    limited = guarded(address_limit="1/1", trusted_proxies="10.0.0.0/8")

    assert asked(limited, lambda guard: fates(guard, clients)) == [200, 200]
    assert asked(limited, lambda guard: fates(guard, liars)) == [200, 429]
    assert asked(guarded(address_limit="1/1"), lambda guard: fates(guard, clients)) == [200, 429]


class Noting(Absent):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Call] = []

    async def each(self, calls: Sequence[Call]) -> list[Reply | NextclickError]:
        self.asked += calls
        return await super().each(calls)


def test_redis_is_told_neither_address_nor_session_nor_key() -> None:
    redis = Noting()

    async def whole() -> None:
        guard = Guard(guarded(), Gathered(redis), Remembering(), lambda: NOW)
        given = request("192.0.2.77", x_api_key=KEY, x_session_token=token("s-secret"))
        await guard.admit(given, stream=False).counted()

    asyncio.run(whole())

    told = repr(redis.asked)
    assert "{limits}" in told
    assert not [each for each in ("192.0.2.77", "s-secret", KEY) if each in told]


def test_switched_off_it_believes_everybody_and_asks_redis_nothing() -> None:
    redis = Noting()

    async def whole() -> list[Caller]:
        guard = Guard(Settings(security="off"), Gathered(redis), Remembering())
        return [await passed(guard.admit(request(), stream=False)), await passed(guard.admit_beacon("", "", request()))]

    callers = asyncio.run(whole())

    assert callers == [Caller(trusted=True)] * 2
    assert callers[0].may_see("whichever")
    assert redis.asked == []


@pytest.mark.parametrize("lacking", [["site_keys"], ["token_secrets"], ["site_keys", "token_secrets"]])
def test_security_is_on_unless_switched_off_and_then_demands_at_once_what_it_needs(lacking: list[str]) -> None:
    assert Settings().security == "on"
    told = rf"without {' and '.join(lacking)}; `nextclick key.*NEXTCLICK_SECURITY=off"
    with pytest.raises(SettingsError, match=told) as refused:
        Guard(guarded(**dict.fromkeys(lacking, Secret(""))), Gathered(Absent()), Remembering())
    assert ("prints a key and its entry" in str(refused.value)) is ("site_keys" in lacking)
    assert ("key --secret` prints an entry" in str(refused.value)) is ("token_secrets" in lacking)
