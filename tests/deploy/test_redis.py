"""Whoever asks the Redis of docker-compose.yml says who it is, and may do what docs/security.md allows it.

What each may do is held to what it does in state/test_rights.py, which reads the very same lines.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from nextclick import ping
from nextclick.servers import LOOPBACK, Guardian
from schemas.errors import RedisError
from schemas.settings import RedisUrl
from serving.state.redis import RedisSessionStore
from tests.deploy import redis
from tests.deploy.composition import ROOT, read
from tests.kit import rungs

SERVICES: Final = read({})
REDIS: Final = SERVICES["redis"]
#: By service that asks Redis, as whom and where.
ASKING: Final = {
    name: service.environment["NEXTCLICK_REDIS"]
    for name, service in SERVICES.items()
    if "NEXTCLICK_REDIS" in service.environment
}


@pytest.fixture(scope="module")
def port(guardian: Guardian) -> int:
    rungs.demand("redis-server", "redis-cli")
    return redis.start(guardian, "users-redis", REDIS)


def read_as(url: str, port: int) -> None:
    """As whom the address says."""

    async def whole() -> None:
        store = RedisSessionStore(RedisUrl(url.replace("redis:6379", f"{LOOPBACK}:{port}")))
        try:
            await store.read("nobody")
        finally:
            await store.close()

    asyncio.run(whole())


def test_its_users_are_those_of_the_page() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    stranger, *users = (ROOT / "deploy" / "users.acl").read_text("utf-8").splitlines()

    assert stranger == "user default on nopass resetkeys resetchannels -@all +ping"
    assert users == re.findall(r"^    (user nextclick-(?!reader).*)$", page, re.M)


def test_every_service_that_asks_it_has_a_user_of_its_own() -> None:
    users = {name: urlsplit(url).username for name, url in ASKING.items()}

    assert users == {name: f"nextclick-{name}" for name in ("worker", "endpoint", "verbs")}


@pytest.mark.parametrize("name", ASKING)
def test_a_service_is_let_in(port: int, name: str) -> None:
    read_as(ASKING[name], port)


@pytest.mark.parametrize("user", ["", "nextclick@", "nextclick-worker@", "nextclick-worker:endpoint@"])
def test_nobody_is_let_in_without_a_user_and_its_password(port: int, user: str) -> None:
    with pytest.raises(RedisError):
        read_as(f"redis://{user}redis:6379/0", port)


def test_a_stranger_may_ask_whether_it_lives_and_nothing_else(port: int) -> None:
    command = ["redis-cli", "-p", str(port), "GET", "x"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout

    assert ping.redis(port, "PING") == "PONG"
    assert answer.startswith("NOPERM")


def test_passwords_are_those_that_compose_is_told(guardian: Guardian) -> None:
    rungs.demand("redis-server", "redis-cli")
    told = read({"REDIS_WORKER_PASSWORD": "w-1", "REDIS_ENDPOINT_PASSWORD": "e_2", "REDIS_VERBS_PASSWORD": "v.3"})
    port = redis.start(guardian, "told-redis", told["redis"])

    for name, url in ASKING.items():
        read_as(told[name].environment["NEXTCLICK_REDIS"], port)
        with pytest.raises(RedisError):
            read_as(url, port)


@pytest.mark.parametrize("password", ["", "a/b", "a b", "a&b", "a@b"])
def test_a_password_that_an_address_cannot_hold_is_refused_at_the_start(tmp_path: Path, password: str) -> None:
    given = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    environment = REDIS.environment | {"REDIS_ENDPOINT_PASSWORD": password} | given
    command: list[str | Path] = ["sh", ROOT / "deploy" / "redis.sh", "--port", "0"]

    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=10, check=False
    )

    assert done.returncode == 78
    assert done.stderr.startswith("REDIS_ENDPOINT_PASSWORD is empty, or has what an address cannot hold")
