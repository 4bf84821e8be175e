"""Questions to Kafka's controller, synchronous, on kafka-python: connect, ask, close."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import kafka.errors
from kafka import KafkaAdminClient
from kafka.net.compat import KafkaNetClient

from schemas.errors import KafkaError
from schemas.settings import Settings
from serving.state import handshake
from serving.state.access import access


@contextmanager
def asked(settings: Settings, timeout_s: float) -> Iterator[KafkaAdminClient]:
    timeout_ms = int(timeout_s * 1000)
    clients: list[KafkaNetClient] = []

    def client(**config: Any) -> KafkaNetClient:
        # Kept, because a KafkaAdminClient whose construction fails leaves its thread and sockets open; and
        # told of the timeout, because a broker that accepts and says nothing would hold us for 10 s.
        clients.append(KafkaNetClient(socket_connection_setup_timeout_ms=timeout_ms, **config))
        return clients[-1]

    try:
        yield KafkaAdminClient(
            **access(settings),
            bootstrap_timeout_ms=timeout_ms,
            request_timeout_ms=timeout_ms,
            kafka_client=client,
        )
    except kafka.errors.AuthorizationError as error:
        raise refused(settings, f"do this ({error})") from error
    except (kafka.errors.KafkaError, OSError) as error:
        complaint = asyncio.run(handshake.complaint(settings, timeout_s))
        raise KafkaError(
            complaint
            or f"Kafka at {settings.kafka} does not answer as it should within {timeout_s:g} s: {error}; "
            "check that it runs and that NEXTCLICK_KAFKA names it"
        ) from error
    finally:
        for each in clients:
            each.close()


def member(settings: Settings, timeout_s: float) -> None:
    """KafkaError when the workers' group is not for us: a consumer that may not join would wait for ever, silently."""
    with asked(settings, timeout_s) as admin:
        try:
            admin.describe_groups([settings.group])
        except kafka.errors.GroupAuthorizationFailedError as error:
            raise refused(settings, f"join the group {settings.group}", "Read on it") from error


def refused(settings: Settings, what: str, right: str = "the right") -> KafkaError:
    who = user(settings)
    return KafkaError(
        f"Kafka at {settings.kafka} does not let {who} {what}; give {who} {right}, as docs/security.md lists"
    )


def user(settings: Settings) -> str:
    """Whom Kafka knows us as; of a certificate only Kafka knows what it makes of it."""
    return settings.kafka_user or "us"
