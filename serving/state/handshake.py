"""Why Kafka does not let us in: one connection of our own to each broker, and what became of it in words.

The clients keep that to themselves: of a certificate or a password that is refused they say, after a while, that there
was no time.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterable
from typing import Final

import aiokafka.errors as refusals
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.metadata import MetadataRequest

from schemas.settings import Settings
from serving.state.access import access

#: How OpenSSL numbers what is wrong with a certificate.
_EXPIRED: Final = (9, 10)
_FOR_ANOTHER_NAME: Final = (62, 64)
#: An answer in TLS, which is an alert, read as the length of an answer of Kafka's.
_ALERT: Final = 0x1503
#: Of a host with several addresses the refusals of each are one error, which has no number of its own.
_REFUSED: Final = f"[Errno {errno.ECONNREFUSED}]"
_CLOSE_S: Final = 1.0

_Address = tuple[str, int]


async def complaint(settings: Settings, timeout_s: float) -> str | None:
    """What to tell of a broker that does not let us in or cannot be found, and what to do; None where there is none.

    One that is away is nothing to tell of while another may be there; a name that nobody knows is.
    """
    named = [_address(server) for server in settings.kafka.split(",")]
    waiting, met, unknown, deaf = [*named], set[_Address](), list[str](), dict[_Address, str]()
    try:
        async with asyncio.timeout(timeout_s):
            while waiting:
                host, port = address = waiting.pop(0)
                met.add(address)
                try:
                    waiting += {*await _meet(settings, host, port)} - met
                except (refusals.KafkaError, OSError) as error:
                    why = _why(settings, error)
                    if why is not None:
                        return f"Kafka at {host}:{port} {why}"
                    if isinstance(error, socket.gaierror):
                        unknown.append(_of_name(host, error))
                    if _REFUSED in str(error):
                        deaf[address] = _of_port(host, port)
    except TimeoutError:
        pass
    return next(iter(unknown), deaf[named[0]] if deaf.keys() >= {*named} else None)


def _address(server: str) -> _Address:
    host, _, port = server.rpartition(":")
    return host.strip("[]"), int(port)


async def _meet(settings: Settings, host: str, port: int) -> Iterable[_Address]:
    """The brokers that it names."""
    asking = access(settings)
    connection = AIOKafkaConnection(
        host,
        port,
        security_protocol=asking["security_protocol"],
        ssl_context=asking["ssl_context"],
        sasl_mechanism=asking["sasl_mechanism"],
        sasl_plain_username=asking["sasl_plain_username"],
        sasl_plain_password=asking["sasl_plain_password"],
    )
    try:
        await connection.connect()
        answer = await connection.send(MetadataRequest([]))
    except refusals.KafkaError:
        await _close(connection)
        raise
    await _close(connection)
    return [(host, port) for _, host, port, _ in answer.brokers]


async def _close(connection: AIOKafkaConnection) -> None:
    """One that never came to be has nothing to close, and would be waited for in vain."""
    await asyncio.wait([connection.close()], timeout=_CLOSE_S)


def _of_name(host: str, error: socket.gaierror) -> str:
    return (
        f"no address is known for the host {host} of Kafka ({error.strerror}); mend the name in NEXTCLICK_KAFKA, in "
        "the broker's advertised.listeners, or where this machine looks names up"
    )


def _of_port(host: str, port: int) -> str:
    return (
        f"Kafka at {host}:{port} does not answer: {host} is there, and refuses the connection; check that Kafka runs "
        "there, and that NEXTCLICK_KAFKA names its port"
    )


def _why(settings: Settings, error: Exception) -> str | None:
    security, encrypts = settings.kafka_security, settings.kafka_security.endswith("ssl")
    beneath = error.__cause__ or error.__context__
    match error:
        case ssl.SSLCertVerificationError():
            return _of_certificate(settings, error)
        case refusals.SaslAuthenticationFailed():
            return (
                f"does not let {settings.kafka_user} in: name or password is wrong; check NEXTCLICK_KAFKA_USER and "
                "NEXTCLICK_KAFKA_PASSWORD"
            )
        case refusals.UnsupportedSaslMechanismError():
            return f"takes no {settings.kafka_sasl_mechanism}; set NEXTCLICK_KAFKA_SASL_MECHANISM to one that it takes"
        case refusals.IllegalSaslStateError():
            return f"takes no login, and kafka_security is {security}; set NEXTCLICK_KAFKA_SECURITY to {security[5:]}"
        case ssl.SSLError() | ConnectionResetError() if encrypts:
            return (
                f"breaks off where TLS begins, and kafka_security is {security}; check that this is the port that "
                "speaks TLS, or set NEXTCLICK_KAFKA_SECURITY to what it speaks"
            )
        case refusals.KafkaConnectionError() if isinstance(beneath, ssl.SSLError):
            given = "does not take our certificate" if settings.kafka_certificate else "asks for a certificate of ours"
            return f"{given} ({beneath.reason}); set NEXTCLICK_KAFKA_CERTIFICATE to one whose authority it trusts"
        case refusals.KafkaConnectionError() if isinstance(beneath, asyncio.IncompleteReadError):
            return _of_silence(security, beneath)
    return None


def _of_certificate(settings: Settings, error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _FOR_ANOTHER_NAME:
        return (
            "has a certificate for another name; name it in NEXTCLICK_KAFKA, and in its advertised.listeners, as its "
            "certificate does"
        )
    if error.verify_code in _EXPIRED:
        return f"has a certificate that is not valid now ({error.verify_message}); have it renewed, or mend the clock"
    trusting = f"those of {settings.kafka_ca}" if settings.kafka_ca else "those that this system trusts"
    return (
        f"has a certificate of another authority than {trusting} ({error.verify_message}); name its authority's PEM "
        "file in NEXTCLICK_KAFKA_CA"
    )


def _of_silence(security: str, end: asyncio.IncompleteReadError) -> str | None:
    """It has closed the connection, and has said nothing or nothing of Kafka's."""
    if (end.expected or 0) >> 16 == _ALERT:
        return f"speaks TLS, and kafka_security is {security}; set NEXTCLICK_KAFKA_SECURITY to ssl or sasl_ssl"
    if not security.startswith("sasl"):
        wanted = "sasl_ssl" if security == "ssl" else "sasl_plaintext"
        return (
            "closes the connection when it is asked; check that it runs, and if it wants a login set "
            f"NEXTCLICK_KAFKA_SECURITY to {wanted}"
        )
    return None
