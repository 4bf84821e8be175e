"""Settings that are each allowed, and not together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import SettingsError

if TYPE_CHECKING:
    from schemas.settings import Settings


def together(settings: Settings) -> None:
    """SettingsError names two that do not fit, and says what to do."""
    complaint = _of_login(settings) or _of_certificates(settings)
    if complaint:
        raise SettingsError(complaint)


def _of_login(settings: Settings) -> str | None:
    security, given = settings.kafka_security, {"user": settings.kafka_user, "password": settings.kafka_password}
    logs_in = security.startswith("sasl")
    for name, value in given.items():
        if logs_in and not value:
            return (
                f"kafka_security is {security}, and kafka_{name} is empty; set NEXTCLICK_KAFKA_{name.upper()}, or say "
                "NEXTCLICK_KAFKA_SECURITY=ssl where Kafka asks for no password"
            )
        if value and not logs_in:
            return (
                f"kafka_{name} is set, and with kafka_security {security} nobody would be told; say "
                "NEXTCLICK_KAFKA_SECURITY=sasl_ssl, or take it away"
            )
    return None


def _of_certificates(settings: Settings) -> str | None:
    security = settings.kafka_security
    if not security.endswith("ssl"):
        for name in ("kafka_ca", "kafka_certificate", "kafka_certificate_key"):
            if getattr(settings, name):
                return (
                    f"{name} is set, and with kafka_security {security} nothing is encrypted; say "
                    "NEXTCLICK_KAFKA_SECURITY=ssl or sasl_ssl, or take it away"
                )
    if settings.kafka_certificate_key and not settings.kafka_certificate:
        return (
            "kafka_certificate_key is set, and kafka_certificate is empty; set NEXTCLICK_KAFKA_CERTIFICATE to the "
            "certificate that this key proves"
        )
    return None
