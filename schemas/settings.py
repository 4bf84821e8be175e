"""Every setting of nextclick: its name, what it may be, what it does.

Read once, from a mapping of environment variables (`NEXTCLICK_KAFKA`) over a table from a TOML file
(`kafka`), into one frozen object. docs/configuration.md is generated from the fields below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from schemas import fit
from schemas.errors import SettingsError
from schemas.setting import (
    ALLOWED,
    CAST,
    DOC,
    Mistaken,
    Secret,
    choice,
    is_number,
    limit,
    networks,
    number,
    secret,
    servers,
    setting,
    site_keys,
    text,
)

ENVIRONMENT_PREFIX: Final = "NEXTCLICK_"
#: Variables that share the prefix but belong to the test suites.
FOREIGN_PREFIX: Final = "NEXTCLICK_TEST_"

#: Of the client's options, the one that nobody shall read.
_HIDDEN_OPTION: Final = "password"


class RedisUrl(str):
    """A Redis address whose password is masked in every print and log."""

    def __repr__(self) -> str:
        return f"RedisUrl({self.masked!r})"

    def __str__(self) -> str:
        return self.masked

    @property
    def masked(self) -> str:
        parts = urlsplit(self.reveal())
        if parts.password is not None:
            host = parts.netloc.rpartition("@")[2]
            parts = parts._replace(netloc=f"{parts.username or ''}:***@{host}")
        if _HIDDEN_OPTION in parts.query:
            parts = parts._replace(query="***")
        return urlunsplit(parts)

    @property
    def is_cluster(self) -> bool:
        return urlsplit(self.reveal()).scheme.endswith("+cluster")

    def reveal(self) -> str:
        return str.__str__(self)


def _redis_url(value: object) -> RedisUrl:
    """An address, or @/path of the file that it is alone in."""
    told = str(value)
    if told.startswith("@"):
        try:
            told = Path(told[1:]).read_text("utf-8").strip()
        except OSError as error:
            raise Mistaken(f"names a file that cannot be read ({error.strerror})") from None
    parts = urlsplit(told)
    if parts.scheme not in {"redis", "rediss", "redis+cluster", "rediss+cluster"} or not parts.hostname:
        raise ValueError
    db = parts.path.removeprefix("/") or "0"
    if parts.port == 0 or not is_number(db) or (parts.scheme.endswith("+cluster") and int(db) != 0):
        raise ValueError  # as `parts.port` does by itself when it is no port
    return RedisUrl(told)


def _shown(name: str, value: object, *, hidden: bool) -> str:
    """A wrong value as its message has it, unless a password may be in it."""
    user, at, _ = str(value).rpartition("@")
    password = name == "redis" and (_HIDDEN_OPTION in str(value) or (at and ":" in user.partition("//")[2]))
    return "***" if password or hidden else repr(value)


_SIGNING = r"[A-Za-z0-9_-]{1,32}:[!-+\--~]{32,256}"
_ORIGIN = r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?"


@dataclass(frozen=True, slots=True)
class Settings:
    kafka: str = setting(
        "localhost:9092",
        "Kafka bootstrap servers.",
        "host:port with a port from 1 to 65535, several separated by commas",
        servers,
    )
    redis: RedisUrl = setting(
        "redis://localhost:6379/0",
        "The Redis that holds sessions and recommendations. A password in it is never printed. Better in a file of its "
        "own: `@/path`.",
        "redis://, rediss://, redis+cluster:// or rediss+cluster:// with [user:password@]host[:port][/db], "
        "where db is a number, of a cluster 0; or @/path",
        _redis_url,
    )
    bundle: str = setting(
        "bundle",
        "The directory of the bundle that ranks, or a folder of bundles, of which the one that `current` names ranks.",
        "a path",
        text(r"[^\x00]{1,4096}"),
    )
    topic_prefix: str = setting(
        "",
        "Put before every topic name, so that several installations share one Kafka.",
        "up to 64 letters, digits, dots, dashes and underscores, or nothing",
        text(r"[A-Za-z0-9._-]{0,64}"),
    )
    topic_epoch: str = setting(
        "",
        "Overrides the topic's epoch, which is otherwise read from Kafka's topic id.",
        "8 hexadecimal digits, lower-case, or nothing",
        text(r"(?:[0-9a-f]{8})?"),
    )
    partitions: int = number(8, 1, 1024, "Partitions that `topics create` gives clickstream and recommendations.")
    replication: int = number(1, 1, 7, "Replicas that `topics create` gives every topic.")
    clickstream_hours: int = number(
        168, 1, 8760, "Hours that clickstream is retained; at most as long as your privacy notice says."
    )
    group: str = setting(
        "nextclick",
        "The consumer group of the workers.",
        "1 to 128 letters, digits, dots, dashes and underscores",
        text(r"[A-Za-z0-9._-]{1,128}"),
    )
    session_timeout_ms: int = number(
        10_000, 1_000, 60_000, "Milliseconds without a heartbeat after which Kafka gives a worker's partitions away."
    )
    group_instance: str = setting(
        "",
        "This worker's static name in its group, another for each worker; Kafka keeps its partitions for it for the "
        "session timeout, and nobody else has them meanwhile. Empty: Kafka names it at each start, others take over "
        "at once, which keeps lists fresher (docs/architecture.md).",
        "up to 128 letters, digits, dots, dashes and underscores, or nothing",
        text(r"[A-Za-z0-9._-]{0,128}"),
    )
    profiles: str = choice(
        "off",
        ("off", "on", "rank"),
        "on: what clicks with a `user_id` and consent tell of the user across sessions is kept in Redis. rank: and "
        "sessions are ranked with it in front, which helps where the bundle learned from whole histories of users and "
        "nowhere else; docs/sessions.md says how.",
    )
    profile_days: int = number(90, 1, 730, "Days after a user's last click that Redis keeps the profile.")
    commit_interval_ms: int = number(
        500, 50, 1_000, "Milliseconds between commits of acknowledged offsets; what a kill makes Kafka deliver again."
    )
    fetch_wait_ms: int = number(
        500,
        1,
        1_500,
        "Milliseconds that the broker may hold a fetch while it has nothing. Apache Kafka answers as soon as it has "
        "something; the sandbox's broker only looks again and again, the oftener the shorter this is.",
    )
    batch_max: int = number(256, 1, 4_096, "The most events that are folded in one round trip to Redis.")
    queue_max: int = number(1_024, 16, 65_536, "The most events that wait in memory for the fold.")
    rank_batch_max: int = number(32, 1, 1_024, "The most sessions that are ranked in one go.")
    retry_budget_s: int = number(
        45, 1, 55, "Seconds that an unreachable Kafka or Redis is retried before the worker ends with 70."
    )
    redis_replica_lag_s: int = number(
        10,
        1,
        3_600,
        "The min-replicas-max-lag of your Redis, in seconds: how long a primary may take writes that no replica "
        "confirms. After a failover clicks are read again from 1.5 times as long before it, and at least from 15 s.",
    )
    start_wait_s: int = number(60, 0, 600, "Seconds that a start waits for Kafka and Redis before it ends with 69.")
    stall_limit_s: int = number(
        30,
        5,
        600,
        "Seconds that records may wait on a partition while none of it is acknowledged; then the worker ends with 70.",
    )
    block_limit_s: int = number(
        30, 5, 600, "Seconds that the worker's event loop may be blocked; then the worker ends with 70."
    )
    ready_within_s: int = number(
        10, 1, 3_600, "Seconds that a starting worker may still lag behind when `/ready` first says 200."
    )
    metrics_host: str = setting(
        "127.0.0.1",
        "The address that Prometheus metrics, `/ready` and `/live` are served on.",
        "an address of this host",
        text(r"[A-Za-z0-9.:_-]{1,255}"),
    )
    metrics_port: int = number(
        0,
        0,
        65_535,
        "The port that Prometheus metrics, `/ready` and `/live` are served on; 0 serves none. Each worker on a host "
        "needs one of its own.",
    )
    security: str = choice(
        "on",
        ("on", "off"),
        "on: the endpoint asks for a site key, believes sessions only with a token, and limits how often it is asked. "
        "off: whoever reaches it may name any session, which is for a demonstration on one host.",
    )
    site: str = setting(
        "shop",
        "The name of this installation in session tokens; a token for another site proves nothing here.",
        "1 to 64 letters, digits, dots, dashes and underscores",
        text(r"[A-Za-z0-9._-]{1,64}"),
    )
    site_keys: str = setting(
        "",
        "The publishable keys that pages of the shop may use, as `nextclick key` prints them: a name and the key's "
        "SHA-256. Two while one takes the other's place.",
        "name:64 hexadecimal digits, several separated by commas, or nothing",
        site_keys,
    )
    token_secrets: Secret = setting(
        "",
        "What session tokens are signed with, as `nextclick key --secret` prints it; the first signs, all prove. Never "
        "printed. Better in a file of its own: `@/path`, one a line.",
        "name:secret of at least 32 characters, several separated by commas, or @/path, or nothing",
        secret(rf"(?:{_SIGNING}(?:,{_SIGNING})*|@/[^\x00,]{{1,4096}})?"),
    )
    cors_origins: str = setting(
        "",
        "Origins of the pages that may ask from a browser; compared exactly.",
        "https://host[:port] or http://host[:port] in lower case, several separated by commas, or nothing",
        text(f"(?:{_ORIGIN}(?:,{_ORIGIN})*)?"),
    )
    trusted_proxies: str = setting(
        "",
        "Networks of the proxies in front of the endpoint, whose `X-Forwarded-For` is believed.",
        "networks such as 10.0.0.0/8 or fd00::/8, several separated by commas, or nothing",
        networks,
    )
    key_limit: str = limit(
        "5000/10000", "Requests a second with one site key, which all shoppers of the shop share, and how many at once."
    )
    session_limit: str = limit("2/10", "Requests a second for one session, and how many at once.")
    address_limit: str = limit(
        "20/40", "Requests a second from one address (of IPv6 from one /64 network), and how many at once."
    )
    serve_host: str = setting(
        "127.0.0.1",
        "The address that the endpoint serves on.",
        "an address of this host",
        text(r"[A-Za-z0-9.:_-]{1,255}"),
    )
    serve_port: int = number(8_080, 1, 65_535, "The port that the endpoint serves on; all its processes share it.")
    serve_processes: int = number(
        1, 1, 256, "Processes of the endpoint; process i serves its metrics and health on `metrics_port` + i."
    )
    connections_max: int = number(4_096, 16, 65_536, "Connections that one process of the endpoint holds open.")
    streams_max: int = number(2_000, 0, 65_536, "Streams that one process of the endpoint holds open.")
    redis_read_ms: int = number(
        80,
        5,
        2_000,
        "Milliseconds that a request waits without an answer of Redis; then it is answered from what the process "
        "knows, and for a moment nobody asks Redis.",
    )
    drain_s: int = number(
        3,
        0,
        60,
        "Seconds between the signal to end, from which on `/ready` says 503, and the endpoint's letting nobody in any "
        "more: as long as your load balancer takes to notice.",
    )
    events_wait_ms: int = number(
        2_000,
        100,
        30_000,
        "Milliseconds that the endpoint waits for Kafka to take events, or an order to erase, before it answers 503.",
    )
    placements: str = setting(
        "",
        "The TOML file of the shop's placements and their rules, which docs/placements.md describes. Empty: there is "
        "only `default`, which has none.",
        "a path, or nothing",
        text(r"[^\x00]{0,4096}"),
    )
    kafka_security: str = choice(
        "plaintext",
        ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"),
        "How Kafka is spoken to: ssl encrypts, and believes only a broker whose certificate is for its name; sasl logs "
        "in. docs/security.md says more.",
    )
    kafka_sasl_mechanism: str = choice(
        "SCRAM-SHA-512", ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"), "How the password is proved to Kafka."
    )
    kafka_user: str = setting(
        "",
        "Whom Kafka knows this process as; each kind of process has its own.",
        "up to 255 printable characters without blanks, commas and equals signs, or nothing",
        text(r"[!-+\--<>-~]{0,255}"),
    )
    kafka_password: Secret = setting(
        "",
        "The password of `kafka_user`. Never printed. Better in a file of its own: `@/path`.",
        "up to 1024 printable characters, or @/path, or nothing",
        secret(r"[ -~]{0,1024}|@/[^\x00]{1,4096}"),
    )
    kafka_ca: str = setting(
        "",
        "The PEM file of the authorities that may have signed the broker's certificate. Empty: those that the system "
        "trusts.",
        "a path, or nothing",
        text(r"[^\x00]{0,4096}"),
    )
    kafka_certificate: str = setting(
        "",
        "The PEM file of a certificate that says who this process is, where Kafka asks for one.",
        "a path, or nothing",
        text(r"[^\x00]{0,4096}"),
    )
    kafka_certificate_key: str = setting(
        "",
        "The PEM file of its key, which no passphrase locks. Empty: it is in the same file.",
        "a path, or nothing",
        text(r"[^\x00]{0,4096}"),
    )
    log_level: str = choice("info", ("debug", "info", "warning", "error"), "The least that is logged.")

    @classmethod
    def read(cls, environment: Mapping[str, str], table: Mapping[str, object]) -> Settings:
        """The settings in force; the environment wins over the table. SettingsError names the first wrong one."""
        known = {spec.name: spec for spec in fields(cls)}
        given: dict[str, tuple[str, object]] = {}
        for key, value in table.items():
            given[key] = (key, value)
        for key, value in environment.items():
            if key.startswith(ENVIRONMENT_PREFIX) and not key.startswith(FOREIGN_PREFIX):
                given[key.removeprefix(ENVIRONMENT_PREFIX).lower()] = (key, value)
        values: dict[str, Any] = {}
        for name, (shown, value) in given.items():
            if name not in known:
                raise SettingsError(f"{shown} is not a setting; docs/configuration.md lists them all")
            try:
                values[name] = known[name].metadata[CAST](value)
            except Mistaken as error:
                raise SettingsError(f"{shown} {error}") from None
            except ValueError:
                allowed = known[name].metadata[ALLOWED]
                said = _shown(name, value, hidden=isinstance(known[name].default, Secret))
                raise SettingsError(f"{shown} is {said}; allowed is {allowed}") from None
        found = cls(**values)
        fit.together(found)
        return found

    def shown(self) -> dict[str, str]:
        """What may be logged: every setting in force, secrets masked."""
        return {spec.name: str(getattr(self, spec.name)) for spec in fields(self)}


def reference() -> str:
    """docs/configuration.md, whole."""
    rows = [
        f"| `{ENVIRONMENT_PREFIX}{spec.name.upper()}` | `{spec.name}` | {_default(spec.default)} "
        f"| {spec.metadata[ALLOWED]} | {spec.metadata[DOC]} |"
        for spec in fields(Settings)
    ]
    head = [
        "# Configuration",
        "",
        "Generated from `schemas/settings.py` by `make docs`; edit that file.",
        "",
        "Settings come from the environment, or from a TOML file (`--config FILE`, else `nextclick.toml` in the",
        "working directory); the environment wins. They are read once, before anything is touched. A wrong one",
        "ends the program with exit code 78 and a message that names it, its value and what is allowed.",
        "",
        "| environment | in the TOML file | default | allowed | what it does |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join(head + rows) + "\n"


def _default(value: object) -> str:
    return f"`{value}`" if value != "" else "(empty)"
