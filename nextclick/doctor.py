"""Looks at everything that nextclick stands on, and says for each what is wrong and what to do.

Every look is bounded, also at hosts that swallow packets; one that fails leaves the others to be taken.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

from rich.table import Table
from rich.text import Text

from schemas.errors import BundleError, KafkaError, NextclickError, RedisError, SettingsError
from schemas.settings import Settings
from schemas.topics import Topics
from serving.http import placements
from serving.http.tokens import read_secrets
from serving.state import broker, bundles, probe, topics
from serving.state.access import described

State = Literal["ok", "warning", "failed"]

#: One question to one service. Of one that never answers, only the first is asked.
_TIMEOUT_S: Final = 2.0
_REDIS_OLDEST: Final = (6, 2)
_DAY_MS: Final = 86_400_000
#: What the promises were measured with; another version may be fine, and may be why something is not.
_PACKAGES: Final = ("aiokafka", "faust-streaming", "kafka-python", "msgspec", "numpy", "onnxruntime", "redis", "rich")
_COLOURS: Final[dict[State, str]] = {"ok": "green", "warning": "yellow", "failed": "bold red"}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    state: State
    found: str
    #: What to do about it; empty when it is well.
    advice: str = ""
    #: What the program ends with because of it.
    exit_code: int = 0


def examine(settings: Settings) -> list[Check]:
    looks = (_kafka, _redis, _bundle, _placements, _security, _versions)
    return [check for look in looks for check in look(settings)]


def exit_code(checks: list[Check]) -> int:
    """A service that is away says more than a bundle that is bad, and its code is the greater."""
    return max(check.exit_code for check in checks)


def report(checks: list[Check]) -> dict[str, object]:
    return {"healthy": exit_code(checks) == 0, "checks": [asdict(check) for check in checks]}


def table(checks: list[Check]) -> Table:
    drawn = Table("", "state", "found", "what to do", box=None, pad_edge=False)
    for check in checks:
        colour = _COLOURS[check.state]
        drawn.add_row(check.name, f"[{colour}]{check.state}[/]", Text(check.found), Text(check.advice))
    return drawn


def _kafka(settings: Settings) -> Iterator[Check]:
    try:
        found = probe.kafka(settings, _TIMEOUT_S)
        there = topics.found(settings, _TIMEOUT_S)
    except (KafkaError, SettingsError) as error:
        yield _failed("kafka", error)
        yield Check("topics", "failed", "not looked at, since Kafka is not reached", "", error.exit_code)
        return
    spoken = f"{settings.kafka}, {described(settings)}, {_count(found.brokers, 'broker')}, speaks Kafka {found.version}"
    yield Check("kafka", "ok", spoken)
    for topic in there:
        yield _topic(topic, broker.user(settings))
    clickstream = Topics.named(settings.topic_prefix).clickstream
    if any(topic.name == clickstream and topic.partitions for topic in there):
        yield _asked("topic epoch", lambda: topics.epoch(settings, clickstream, _TIMEOUT_S))


def _topic(topic: topics.Found, user: str) -> Check:
    name = f"topic {topic.name}"
    if topic.refused:
        advice = (
            f"give {user} Describe on it, which Read or Write bring along, if docs/security.md lists it for that user"
        )
        return Check(name, "failed", f"is not for {user} to see", advice, KafkaError.exit_code)
    if not topic.partitions:
        return Check(name, "failed", "is not there", "run `nextclick topics create`", KafkaError.exit_code)
    if topic.differences:
        differs = "; ".join(topic.differences)
        return Check(name, "warning", differs, "change it with your Kafka's own tools, or leave it if it is meant")
    return Check(name, "ok", _count(topic.partitions, "partition"))


def _redis(settings: Settings) -> Iterator[Check]:
    try:
        found = probe.redis(settings.redis, _TIMEOUT_S)
    except RedisError as error:
        yield _failed("redis", error)
        return
    version = ".".join(map(str, found.version))
    kind = f"a cluster of {_count(found.nodes, 'master')}" if found.cluster else "a single server"
    if found.version < _REDIS_OLDEST:
        oldest = ".".join(map(str, _REDIS_OLDEST))
        yield Check("redis", "failed", f"Redis {version}", f"run Redis {oldest} or later", RedisError.exit_code)
        return
    yield Check("redis", "ok", f"{settings.redis.masked}, {kind}, Redis {version}")
    yield _eviction(found.eviction)


def _eviction(policies: frozenset[str]) -> Check:
    if policies == {"noeviction"}:
        return Check("redis eviction", "ok", "noeviction")
    advice = "set maxmemory-policy noeviction: an evicted session would be forgotten, and its clicks counted twice"
    return Check("redis eviction", "warning", ", ".join(sorted(policies)), advice)


def _bundle(settings: Settings) -> Iterator[Check]:
    def look() -> str:
        manifest, _ = bundles.verify(Path(settings.bundle))
        days = (time.time() * 1000 - manifest.created_at) / _DAY_MS
        return f"{settings.bundle}, version {manifest.version}, {manifest.data.items} items, {days:.0f} days old"

    yield _asked("bundle", look)


def _placements(settings: Settings) -> Iterator[Check]:
    """Whoever names no file has none to look at."""
    if settings.placements:
        yield _asked("placements", lambda: f"{settings.placements}, {', '.join(placements.load(settings.placements))}")


def _security(settings: Settings) -> Iterator[Check]:
    """A warning at the worst: a worker needs none of it, and an endpoint refuses to start without."""
    if settings.security == "off":
        advice = "set NEXTCLICK_SECURITY=on, unless this is a demonstration that nobody else reaches"
        yield Check("security", "warning", "off: whoever reaches the endpoint may name any session", advice)
        return
    try:
        signing = read_secrets(settings.token_secrets)
    except SettingsError as error:
        yield _failed("security", error)
        return
    keys = settings.site_keys.count(":")
    lacking = [name for name, there in (("site_keys", keys), ("token_secrets", signing)) if not there]
    if lacking:
        found, advice = f"on, without {' and '.join(lacking)}", "`nextclick key` and `nextclick key --secret` make them"
        yield Check("security", "warning", f"{found}: the endpoint will not start", advice)
        return
    origins = _count(settings.cors_origins.count("://"), "origin")
    yield Check("security", "ok", f"on, {_count(keys, 'site key')}, {_count(len(signing), 'secret')}, {origins}")


def _versions(_: Settings) -> Iterator[Check]:
    yield Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    found = {name: _version(name) for name in _PACKAGES}
    lacking = [name for name, version in found.items() if not version]
    if lacking:
        yield Check(
            "packages", "failed", f"no {', '.join(lacking)}", "install nextclick anew", NextclickError.exit_code
        )
    else:
        yield Check("packages", "ok", ", ".join(f"{name} {version}" for name, version in found.items()))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _asked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", look())
    except NextclickError as error:
        return _failed(name, error)


def _failed(name: str, error: NextclickError) -> Check:
    """Our messages say what is wrong, then what to do."""
    found, _, advice = str(error).rpartition(". " if isinstance(error, BundleError) else "; ")
    return Check(name, "failed", found or advice, advice if found else "", error.exit_code)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
