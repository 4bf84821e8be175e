"""How Kafka is reached: what every client of it, of either library, is constructed with.

Files are read when the client is made: one that was renewed counts from the next start on.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final, TypedDict

from schemas.errors import SettingsError
from schemas.settings import Settings

#: The name of a file in place of what it holds.
_FILE: Final = "@/"


class Access(TypedDict):
    """Named as both libraries name them."""

    bootstrap_servers: list[str]
    security_protocol: str
    ssl_context: ssl.SSLContext | None
    sasl_mechanism: str | None
    sasl_plain_username: str | None
    sasl_plain_password: str | None


def access(settings: Settings) -> Access:
    """SettingsError when a file that is named cannot be used."""
    logs_in = settings.kafka_security.startswith("sasl")
    return Access(
        bootstrap_servers=settings.kafka.split(","),
        security_protocol=settings.kafka_security.upper(),
        ssl_context=_context(settings) if settings.kafka_security.endswith("ssl") else None,
        sasl_mechanism=settings.kafka_sasl_mechanism if logs_in else None,
        sasl_plain_username=settings.kafka_user if logs_in else None,
        sasl_plain_password=_password(settings.kafka_password.reveal()) if logs_in else None,
    )


def described(settings: Settings) -> str:
    """In words, for whoever looks."""
    login = f" with {settings.kafka_sasl_mechanism} as {settings.kafka_user}" if settings.kafka_user else ""
    return f"{settings.kafka_security}{login}"


def _context(settings: Settings) -> ssl.SSLContext:
    """Whom it does not trust, or finds under another name, it does not speak to: that is its default."""
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca or None)
    except (OSError, ValueError) as error:
        raise _unusable("kafka_ca", settings.kafka_ca, error, "the authority's certificate in PEM") from None
    if settings.kafka_certificate:
        key = settings.kafka_certificate_key
        try:
            # A passphrase would be asked for on the terminal, where nobody sits.
            context.load_cert_chain(settings.kafka_certificate, key or None, password="")
        except (OSError, ValueError) as error:
            pair = f"{settings.kafka_certificate} with {key}" if key else settings.kafka_certificate
            raise _unusable("kafka_certificate", pair, error, "a certificate and its key in PEM, not locked") from None
    return context


def _password(told: str) -> str:
    if not told.startswith(_FILE):
        return told
    try:
        found = Path(told[1:]).read_text("utf-8").strip("\r\n")
    except (OSError, ValueError) as error:
        raise _unusable("kafka_password", told[1:], error, "the password alone") from None
    if not found:
        raise SettingsError("the file of kafka_password is empty; write the password into it, alone")
    return found


def _unusable(name: str, path: str, error: Exception, wanted: str) -> SettingsError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return SettingsError(f"the file of {name}, {path}, cannot be used ({why}); name one that holds {wanted}")
