"""Laws of a Kafka that asks who comes, and lets each do what docs/security.md lists."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import secrets
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from nextclick import doctor
from nextclick.servers import LOOPBACK, Guardian
from nextclick.worker import environment
from schemas.click import Click, encode
from schemas.errors import KafkaError, ServiceError
from schemas.setting import Secret
from schemas.settings import Settings
from schemas.topics import Topics
from schemas.wire import EpochMs
from serving.state import handshake, probe
from tests.kit import letters, rungs, topic
from tests.kit.authority import Authority
from tests.kit.closed_kafka import ClosedKafka
from tests.kit.command import nextclick
from tests.kit.endpoint import Endpoint
from tests.kit.shop import ITEMS
from tests.kit.worker import BUNDLE, Worker
from tests.worlds.histories import START_MS

PAGE: Final = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
PREFIX: Final = "shop."
pytestmark = pytest.mark.timeout(300)

NAMES: Final = Topics.named(PREFIX)


def listed() -> list[ACL]:
    """What the page has its reader type."""
    commands = re.findall(r"^    \$ACL (User:.*)$", PAGE, re.M)
    return [right for command in commands for right in rights(command.replace("${PREFIX}", PREFIX))]


def rights(command: str) -> list[ACL]:
    principal, *words = shlex.split(command)
    flags = list(zip(words[::2], words[1::2], strict=True))
    assert {flag for flag, _ in flags} <= {"--operation", "--topic", "--group"}
    operations = [ACLOperation[re.sub("(?<=[a-z])(?=[A-Z])", "_", said).upper()] for flag, said in flags
                  if flag == "--operation"]  # fmt: skip
    resources = [ResourcePattern(ResourceType[flag.removeprefix("--").upper()], said) for flag, said in flags
                 if flag != "--operation"]  # fmt: skip
    return [
        ACL(principal, "*", operation, ACLPermissionType.ALLOW, resource)
        for operation in operations
        for resource in resources
    ]


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed Kafka with the page's rights and topics, and how each role reaches it."""

    kafka: ClosedKafka
    authority: Authority
    folder: Path
    plain: Settings

    def settings(self, role: str) -> Settings:
        return self.kafka.settings(self.plain, f"nextclick-{role}")

    def certified(self, role: str) -> Settings:
        """The same without a password, where a certificate says who comes."""
        proof = self.authority.issue(f"nextclick-{role}")
        return replace(
            self.settings(role),
            kafka=self.kafka.servers("ssl"),
            kafka_security="ssl",
            kafka_user="",
            kafka_password=Secret(""),
            kafka_certificate=str(proof.certificate),
            kafka_certificate_key=str(proof.key),
        )

    def speaking(self, security: str) -> Settings:
        """To the port where Kafka is spoken to so."""
        bare = replace(self.settings("worker"), kafka_security="sasl_plaintext", kafka_ca="")
        chosen = {
            "plaintext": self.plain,
            "ssl": self.certified("worker"),
            "sasl_plaintext": bare,
            "sasl_ssl": self.settings("worker"),
        }
        return replace(chosen[security], kafka=self.kafka.servers(security))

    def run(self, settings: Settings, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return nextclick(*arguments, environment=environment(settings))

    def refused(self, settings: Settings, *arguments: str | Path) -> str:
        """What the verb says, which ends as for a Kafka that is away."""
        done = self.run(replace(settings, start_wait_s=1), *arguments)
        assert done.returncode == KafkaError.exit_code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    @contextmanager
    def without(self, role: str, operation: ACLOperation, resource: str) -> Iterator[None]:
        """While one right of the page is taken away; the broker has heard of it."""
        (taken,) = (right for right in listed() if right.principal == f"User:nextclick-{role}"
                    and right.operation == operation and right.resource_pattern.resource_name == resource)  # fmt: skip
        self.kafka.forbid(taken)
        try:
            yield
        finally:
            self.kafka.allow([taken])


@pytest.fixture(scope="module")
def closed(guardian: Guardian, redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    rungs.demand("java", "openssl")
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder)
    try:
        server = ClosedKafka(guardian, authority)
    except ServiceError as error:
        rungs.absent(str(error))
    try:
        server.allow(listed())
        plain = Settings.read({"NEXTCLICK_REDIS": redis_server, "NEXTCLICK_TOPIC_PREFIX": PREFIX}, {})
        made = Closed(server, authority, folder, replace(plain, kafka=server.open_servers, security="off"))
        created = made.run(made.settings("topics"), "topics", "create", "--json")
        assert created.returncode == 0, created.stderr
        assert all(each["created"] for each in json.loads(created.stdout))
        yield made
    finally:
        server.close()


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    file = tmp_path / "items.ndjson"
    file.write_text(
        json.dumps({"item_id": ITEMS[0], "title": f"a lamp {secrets.token_hex(4)}"}) + "\n", encoding="utf-8"
    )
    return file


def asked(endpoint: Endpoint, method: str, path: str, body: object = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(LOOPBACK, endpoint.port, timeout=30)
    try:
        connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told = answer.read()
        return answer.status, json.loads(told) if told else None
    finally:
        connection.close()


def event(session_id: str, event_id: str = "e1") -> dict[str, str]:
    return {"event_id": event_id, "session_id": session_id, "type": "view", "item_id": ITEMS[0]}


def test_who_has_the_topics_may_create_them_and_says_when_they_are_there(closed: Closed) -> None:
    again = closed.run(closed.settings("topics"), "topics", "create")
    assert again.returncode == 0
    assert again.stdout.count("was there already") == 4
    assert "differs" not in again.stdout


def test_worker_and_endpoint_do_all_that_they_do(closed: Closed, guardian: Guardian, sid: str) -> None:
    # given both, each with its own user
    worker, endpoint = Worker(guardian, closed.settings("worker")), Endpoint(guardian, closed.settings("endpoint"))
    worker.await_assigned()
    endpoint.await_ready()

    # when a click comes in, and one that cannot be read beside it
    topic.eventually(lambda: asked(endpoint, "POST", "/v1/events", event(sid))[0] == HTTPStatus.OK, "it is taken")
    topic.produce(closed.kafka.open_servers, NAMES.clickstream, [(sid.encode(), b"{", ())])

    # then the list knows the click, subscribers are told, and the letter is written
    path = f"/v1/recommendations/{sid}"
    topic.eventually(lambda: asked(endpoint, "GET", path)[1].get("session_version") == 1, "the list knows the click")
    topic.eventually(
        lambda: sid.encode() in {raw.key for raw in topic.read_all(closed.kafka.open_servers, NAMES.recommendations)},
        "subscribers are told",
    )
    topic.eventually(lambda: bool(topic.read_all(closed.kafka.open_servers, NAMES.dead)), "the letter is written")

    # when it is erased
    status, _ = asked(endpoint, "DELETE", f"/v1/sessions/{sid}")

    # then it is gone, and subscribers are told
    assert status == HTTPStatus.NO_CONTENT
    told = [raw for raw in topic.read_all(closed.kafka.open_servers, NAMES.recommendations) if raw.value is None]
    assert {raw.key for raw in told} == {sid.encode()}
    assert endpoint.stop() == 0
    assert worker.stop() == 0


def test_a_catalogue_is_loaded(closed: Closed, catalogue: Path) -> None:
    loaded = closed.run(closed.settings("catalog"), "catalog", "load", catalogue, "--json")
    assert loaded.returncode == 0, loaded.stderr
    assert ITEMS[0].encode() in {raw.key for raw in topic.read_all(closed.kafka.open_servers, NAMES.catalog)}


def test_dead_letters_are_listed_and_sent_back(closed: Closed, sid: str) -> None:
    # given a letter whose click can be read by now
    click = msgspec.convert(event(sid, secrets.token_hex(8)) | {"ts": EpochMs(START_MS)}, Click)
    (letter,) = letters.written([letters.letter(0, encode(click), sid.encode())], NAMES)
    topic.produce(closed.kafka.open_servers, NAMES.dead, [(letter.key, letter.value, letter.headers)])
    # when
    for verb in ("list", "replay"):
        done = closed.run(closed.settings("operator"), "dead", verb)
        assert done.returncode == 0, done.stderr
    # then
    assert sid.encode() in {raw.key for raw in topic.read_all(closed.kafka.open_servers, NAMES.clickstream)}


def test_a_log_is_replayed(closed: Closed, sid: str, tmp_path: Path) -> None:
    log = tmp_path / "clicks.ndjson"
    log.write_text(json.dumps(event(sid, secrets.token_hex(8)) | {"ts": START_MS}) + "\n", encoding="utf-8")
    replayed = closed.run(closed.settings("operator"), "replay", log)
    assert replayed.returncode == 0, replayed.stderr
    assert sid.encode() in {raw.key for raw in topic.read_all(closed.kafka.open_servers, NAMES.clickstream)}


def test_a_session_is_erased_from_the_command_line(closed: Closed, sid: str) -> None:
    erased = closed.run(closed.settings("endpoint"), "session", "erase", sid)
    assert erased.returncode == 0, erased.stderr


def test_a_certificate_stands_for_user_and_password(closed: Closed, guardian: Guardian, catalogue: Path) -> None:
    loaded = closed.run(closed.certified("catalog"), "catalog", "load", catalogue)
    assert loaded.returncode == 0, loaded.stderr
    worker = Worker(guardian, closed.certified("worker"))
    worker.await_assigned()
    assert worker.stop() == 0


@pytest.mark.parametrize(
    ("role", "operation", "resource", "verb", "told"),
    [
        (
            "topics",
            ACLOperation.CREATE,
            NAMES.catalog,
            "topics create",
            f"create the topic {NAMES.catalog}; give nextclick-topics Create and Describe on it",
        ),
        ("catalog", ACLOperation.WRITE, NAMES.catalog, "catalog load", "TopicAuthorizationFailed"),
        ("operator", ACLOperation.READ, "nextclick.dead", "dead list", "GroupAuthorizationFailed"),
        (
            "endpoint",
            ACLOperation.WRITE,
            NAMES.clickstream,
            "session erase s-1",
            f"see the topic {NAMES.clickstream}; give nextclick-endpoint Describe on it",
        ),
        ("worker", ACLOperation.READ, NAMES.catalog, "stream", f"see the topic {NAMES.catalog}"),
        (
            "worker",
            ACLOperation.READ,
            "nextclick",
            "stream",
            "join the group nextclick; give nextclick-worker Read on it",
        ),
    ],
    ids=lambda each: getattr(each, "name", str(each)),
)
def test_who_has_one_right_less_is_told_of_it(
    closed: Closed, catalogue: Path, role: str, operation: ACLOperation, resource: str, verb: str, told: str
) -> None:
    arguments: list[str | Path] = [*verb.split(), *([catalogue] if verb == "catalog load" else [])]
    settings = replace(closed.settings(role), bundle=str(BUNDLE))
    with closed.without(role, operation, resource):
        said = closed.refused(settings, *arguments)
    assert told in said


def stranger(closed: Closed, settings: Settings) -> Settings:
    return replace(settings, kafka_ca=str(Authority(closed.folder, "stranger").certificate))


def other_name(closed: Closed, settings: Settings) -> Settings:
    return replace(settings, kafka=settings.kafka.replace(LOOPBACK, "localhost"))


def other_password(closed: Closed, settings: Settings) -> Settings:
    return replace(settings, kafka_password=Secret("a guess"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (other_password, "does not let nextclick-worker in: name or password is wrong"),
        (stranger, "has a certificate of another authority"),
        (other_name, "has a certificate for another name"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_who_does_not_get_in_is_told_why_and_ends(
    closed: Closed, change: Callable[[Closed, Settings], Settings], told: str
) -> None:
    said = closed.refused(replace(change(closed, closed.settings("worker")), bundle=str(BUNDLE)), "stream")
    assert told in said
    assert "a guess" not in said


def test_an_endpoint_that_kafka_does_not_let_in_says_so_and_stays(closed: Closed, guardian: Guardian) -> None:
    endpoint = Endpoint(guardian, other_password(closed, closed.settings("endpoint")))
    topic.eventually(lambda: "name or password is wrong" in endpoint.said(), "it says why")
    assert "Traceback" not in endpoint.said()
    endpoint.kill()


@pytest.mark.parametrize("security", ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"])
def test_who_speaks_as_kafka_does_gets_in(closed: Closed, security: str) -> None:
    settings = closed.speaking(security)
    assert probe.kafka(settings, 10).brokers == 1
    assert asyncio.run(handshake.complaint(settings, 10)) is None


@pytest.mark.parametrize(
    ("spoken", "asked_for", "told"),
    [
        ("sasl_ssl", "plaintext", "breaks off where TLS begins"),
        ("sasl_ssl", "ssl", "asks for a certificate of ours"),
        ("ssl", "sasl_ssl", "if it wants a login set NEXTCLICK_KAFKA_SECURITY to sasl_ssl"),
        ("plaintext", "sasl_ssl", "speaks TLS, and kafka_security is plaintext"),
        ("plaintext", "sasl_plaintext", "if it wants a login set NEXTCLICK_KAFKA_SECURITY to sasl_plaintext"),
        ("sasl_plaintext", "sasl_ssl", "speaks TLS, and kafka_security is sasl_plaintext"),
        ("sasl_plaintext", "plaintext", "takes no login"),
    ],
)
def test_who_speaks_otherwise_than_kafka_is_told_how_it_does(
    closed: Closed, spoken: str, asked_for: str, told: str
) -> None:
    settings = replace(closed.speaking(spoken), kafka=closed.kafka.servers(asked_for))
    assert told in str(asyncio.run(handshake.complaint(settings, 10)))


def test_a_mechanism_and_a_certificate_that_kafka_does_not_take_are_told(closed: Closed) -> None:
    mechanism = replace(closed.settings("worker"), kafka_sasl_mechanism="PLAIN")
    unknown = Authority(closed.folder, "nobody").issue("nextclick-worker-of-nobody")
    certificate = replace(
        closed.certified("worker"),
        kafka_certificate=str(unknown.certificate),
        kafka_certificate_key=str(unknown.key),
    )
    assert "takes no PLAIN" in str(asyncio.run(handshake.complaint(mechanism, 10)))
    assert "does not take our certificate" in str(asyncio.run(handshake.complaint(certificate, 10)))


def test_doctor_says_how_kafka_is_spoken_to_and_what_is_refused(closed: Closed) -> None:
    found = {check.name: check for check in doctor.examine(closed.settings("worker"))}
    assert (found["kafka"].state, found["topic shop.clickstream"].state) == ("ok", "ok")
    assert "sasl_ssl with SCRAM-SHA-512 as nextclick-worker" in found["kafka"].found
    partly = {check.name: check for check in doctor.examine(closed.settings("catalog"))}
    assert partly["topic shop.catalog"].state == "ok"
    assert partly["topic shop.clickstream"].found == "is not for nextclick-catalog to see"
    assert "give nextclick-catalog Describe on it" in partly["topic shop.clickstream"].advice
    out = {check.name: check for check in doctor.examine(other_password(closed, closed.settings("worker")))}
    assert "name or password is wrong" in out["kafka"].found
    assert out["kafka"].advice == "check NEXTCLICK_KAFKA_USER and NEXTCLICK_KAFKA_PASSWORD"
