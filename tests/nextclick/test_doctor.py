"""`nextclick doctor`: what is wrong with each thing that nextclick stands on, what to do, and the exit code."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nextclick import doctor
from nextclick.doctor import Check, examine, exit_code
from nextclick.sample import BUNDLE
from nextclick.servers import LOOPBACK, Guardian, free_port
from schemas.errors import RedisError
from schemas.setting import Secret
from schemas.settings import RedisUrl, Settings
from schemas.topics import Topics
from serving.state import probe, topics
from serving.state.pipeline import Call, Pipeline
from tests.kit import rungs
from tests.kit.command import nextclick
from tests.kit.redis_server import FLEETING, RedisServer
from tests.kit.worker import environment

_TOPICS_S = 30.0


@pytest.fixture
def healthy(settings: Settings) -> Settings:
    """An installation with nothing wrong."""
    chosen = replace(settings, bundle=str(BUNDLE))
    topics.create(chosen, _TOPICS_S)
    return chosen


@pytest.fixture
def nowhere() -> Settings:
    """Settings that name nothing that runs."""
    redis = RedisUrl(f"redis://{LOOPBACK}:{free_port()}/0")
    return Settings(kafka=f"{LOOPBACK}:{free_port()}", redis=redis, bundle="/no/such/bundle")


def named(checks: list[Check], name: str) -> Check:
    (found,) = (check for check in checks if check.name == name)
    return found


#: What an endpoint is given, and what the doctor says of it.
SIGNED = {"site_keys": f"web:{'0' * 64}", "token_secrets": Secret(f"t1:{'hidden' * 6}")}


@pytest.mark.parametrize(
    ("given", "state", "said"),
    [
        ({"security": "off"}, "warning", "any session"),
        ({}, "warning", "without site_keys and token_secrets"),
        ({"site_keys": SIGNED["site_keys"]}, "warning", "without token_secrets"),
        ({"token_secrets": Secret("@/no/such/file")}, "failed", "cannot be read"),
        (SIGNED | {"cors_origins": "https://shop.example"}, "ok", "on, 1 site key, 1 secret, 1 origin"),
    ],
    ids=["off", "nothing", "half", "no file", "whole"],
)
def test_it_says_whether_security_is_on_and_what_is_missing(
    nowhere: Settings, given: dict[str, Any], state: str, said: str
) -> None:
    (check,) = doctor._security(replace(nowhere, **given))

    assert check.state == state
    assert said in check.found
    assert check.advice or state == "ok"
    assert "hidden" not in str(check)


@pytest.mark.parametrize(
    ("text", "state", "found", "advice", "code"),
    [
        ("[basket]\nlimit = 8", "ok", "shop.toml, basket, default", "", 0),
        ("[basket]\nlimit = 0", "failed", "[basket] limit: ", "docs/placements.md lists what is allowed", 78),
        (None, "failed", "cannot be read", "name a TOML file", 78),
    ],
    ids=["good", "wrong", "no file"],
)
def test_placements_are_looked_at_where_a_file_of_them_is_named(
    nowhere: Settings, tmp_path: Path, text: str | None, state: str, found: str, advice: str, code: int
) -> None:
    file = tmp_path / "shop.toml"
    if text is not None:
        file.write_text(text, encoding="utf-8")

    check = named(examine(replace(nowhere, placements=str(file))), "placements")

    assert found in check.found
    assert (check.state, check.advice, check.exit_code) == (state, advice, code)
    assert not list(doctor._placements(nowhere))


@pytest.mark.kafka
def test_a_healthy_installation_ends_with_0(healthy: Settings) -> None:
    done = nextclick("doctor", "--json", environment=environment(healthy))

    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert report["healthy"] is True
    assert not [check for check in report["checks"] if check["state"] == "failed"]
    names = {check["name"] for check in report["checks"]}
    assert {"kafka", "topic epoch", "redis", "redis eviction", "bundle", "security", "python", "packages"} <= names


@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--json"]], ids=" ".join)
def test_with_nothing_running_every_part_is_named_with_what_to_do(nowhere: Settings, arguments: list[str]) -> None:
    done = nextclick(*arguments, environment={**environment(nowhere), "COLUMNS": "400"})

    assert done.returncode == 69
    assert done.stderr == ""
    for advice in ("NEXTCLICK_KAFKA", "NEXTCLICK_REDIS", "nextclick train"):
        assert advice in done.stdout


@pytest.mark.parametrize(("columns", "widest"), [("", 100), ("60", 60), ("wide", 100)])
def test_in_a_pipe_the_report_is_as_wide_as_columns_says_or_100(nowhere: Settings, columns: str, widest: int) -> None:
    done = nextclick("doctor", environment={**environment(nowhere), "COLUMNS": columns})
    assert widest - 20 < max(map(len, done.stdout.splitlines())) <= widest


@pytest.fixture
def silent() -> Iterator[str]:
    """A host that takes connections and says nothing, which is the slowest way to be away."""
    with socket.create_server((LOOPBACK, 0), backlog=64) as server:
        yield f"{LOOPBACK}:{server.getsockname()[1]}"


@pytest.mark.timeout(30)
@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
def test_a_host_that_never_answers_is_given_up(silent: str, scheme: str) -> None:
    checks = examine(Settings(kafka=silent, redis=RedisUrl(f"{scheme}://{silent}"), bundle=str(BUNDLE)))
    assert (named(checks, "kafka").state, named(checks, "redis").state) == ("failed", "failed")
    assert exit_code(checks) == 69


@pytest.mark.kafka
def test_topics_that_are_not_there_end_with_69_and_the_command_that_makes_them(settings: Settings) -> None:
    # when
    checks = examine(replace(settings, bundle=str(BUNDLE)))

    # then
    assert exit_code(checks) == 69
    for topic in topics.missing(settings, _TOPICS_S):
        assert named(checks, f"topic {topic}").advice == "run `nextclick topics create`"


@pytest.mark.kafka
def test_a_topic_that_is_not_as_declared_is_a_warning(healthy: Settings) -> None:
    # given
    other = replace(healthy, partitions=healthy.partitions + 1)

    # when
    checks = examine(other)

    # then
    clickstream = named(checks, f"topic {Topics.named(healthy.topic_prefix).clickstream}")
    assert clickstream.state == "warning"
    assert clickstream.found == "partitions is 4, declared is 5"
    assert exit_code(checks) == 0


@pytest.mark.kafka
def test_a_bad_bundle_beside_good_services_ends_with_65(healthy: Settings, tmp_path: Path) -> None:
    # given
    broken = tmp_path / "bundle"
    shutil.copytree(BUNDLE, broken)
    (broken / "ranker.json").write_bytes(b"[]")

    # when
    checks = examine(replace(healthy, bundle=str(broken)))

    # then
    assert exit_code(checks) == 65
    assert "ranker.json" in named(checks, "bundle").found
    assert "nextclick train" in named(checks, "bundle").advice


def test_a_redis_that_may_evict_sessions_is_a_warning(guardian: Guardian, nowhere: Settings) -> None:
    rungs.demand("redis-server")
    evicting = RedisServer(guardian, "evicting", (*FLEETING, "--maxmemory-policy", "allkeys-lru"))
    try:
        checks = examine(replace(nowhere, redis=RedisUrl(evicting.url)))
    finally:
        evicting.kill()
    assert named(checks, "redis").state == "ok"
    assert named(checks, "redis eviction").state == "warning"
    assert "noeviction" in named(checks, "redis eviction").advice


@pytest.fixture(scope="module")
def guarded(guardian: Guardian) -> Iterator[RedisServer]:
    """A Redis that lets in who knows the password."""
    rungs.demand("redis-server")
    server = RedisServer(guardian, "guarded-redis", FLEETING)
    server.ask("CONFIG SET requirepass hunter2")
    yield server
    server.kill()


@pytest.mark.parametrize("login", ["", ":a-guess@", "nobody:a-guess@"])
@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
def test_a_redis_that_wants_another_login_is_not_told_to_be_away(
    guarded: RedisServer, nowhere: Settings, scheme: str, login: str
) -> None:
    url = RedisUrl(f"{scheme}://{login}{LOOPBACK}:{guarded.port}")
    check = named(examine(replace(nowhere, redis=url)), "redis")
    assert "refuses the user or password" in check.found
    assert "USER:PASSWORD@" in check.advice
    with pytest.raises(RedisError, match="refuses the user or password"):
        asyncio.run(pinged(url))
    assert "a-guess" not in str(check)


async def pinged(url: RedisUrl) -> None:
    pipeline = Pipeline(url)
    try:
        await pipeline.run([Call(("PING",))])
    finally:
        await pipeline.close()


@pytest.mark.parametrize("scheme", ["rediss", "rediss+cluster"])
def test_where_tls_is_spoken_to_a_redis_without_it_that_is_said(
    redis_server: str, nowhere: Settings, scheme: str
) -> None:
    url = RedisUrl(redis_server.replace("redis://", f"{scheme}://").rsplit("/", 1)[0])
    check = named(examine(replace(nowhere, redis=url)), "redis")
    assert check.state == "failed"
    assert "speaks no TLS" in check.advice


def test_a_cluster_is_looked_at_as_a_whole(redis_cluster: str, nowhere: Settings) -> None:
    checks = examine(replace(nowhere, redis=RedisUrl(redis_cluster)))
    assert "a cluster of 3 masters" in named(checks, "redis").found
    assert named(checks, "redis eviction").state == "ok"


def test_a_cluster_addressed_as_a_server_says_how_to_address_it(redis_cluster: str, nowhere: Settings) -> None:
    checks = examine(replace(nowhere, redis=RedisUrl(redis_cluster.replace("+cluster", ""))))
    assert "redis+cluster://" in named(checks, "redis").advice


def test_a_server_addressed_as_a_cluster_says_how_to_address_it(redis_server: str, nowhere: Settings) -> None:
    url = redis_server.replace("redis://", "redis+cluster://").rsplit("/", 1)[0]
    checks = examine(replace(nowhere, redis=RedisUrl(url)))
    assert "redis://" in named(checks, "redis").advice
    assert named(checks, "redis").state == "failed"


def test_a_redis_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch, nowhere: Settings) -> None:
    found = probe.RedisFound((6, 0, 16), frozenset({"noeviction"}), 1, cluster=False)
    monkeypatch.setattr(probe, "redis", lambda url, timeout_s: found)
    check = named(examine(nowhere), "redis")
    assert (check.state, check.exit_code) == ("failed", 69)
    assert "6.2" in check.advice
