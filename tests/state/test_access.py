"""Laws of how Kafka is reached: files are believed or refused before anybody is spoken to."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.errors import SettingsError
from schemas.setting import Secret
from schemas.settings import Settings
from serving.state.access import access
from stream.progress import Progress
from stream.transport import configured
from tests.kit import rungs
from tests.kit.authority import Authority
from tests.kit.command import nextclick

LOGIN = Settings(kafka_security="sasl_plaintext", kafka_user="worker", kafka_password=Secret("hunter2"))


def test_a_password_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from a file \n", encoding="utf-8")
    reached = access(replace(LOGIN, kafka_password=Secret(f"@{file}")))
    assert reached["sasl_plain_password"] == "from a file "
    assert access(LOGIN)["sasl_plain_password"] == "hunter2"


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_file_without_a_password_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match="kafka_password"):
        access(replace(LOGIN, kafka_password=Secret(f"@{file}")))


def test_whom_it_does_not_trust_and_other_names_are_never_spoken_to() -> None:
    context = access(Settings(kafka_security="ssl"))["ssl_context"]
    assert context is not None
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


def test_files_that_are_no_certificates_are_refused_before_anybody_is_waited_for(tmp_path: Path) -> None:
    rungs.demand("openssl")
    proof, other = Authority(tmp_path).issue("worker"), Authority(tmp_path, "stranger").issue("other")
    (tmp_path / "nonsense.pem").write_text("nonsense", encoding="utf-8")
    whole = Settings(kafka_security="ssl", kafka_certificate=str(proof.in_one()))
    assert access(whole)["ssl_context"] is not None
    wrong = [
        replace(whole, kafka_ca=str(tmp_path / "nonsense.pem")),
        replace(whole, kafka_ca=str(tmp_path / "nowhere.pem")),
        replace(whole, kafka_certificate=str(proof.certificate)),
        replace(whole, kafka_certificate=str(proof.certificate), kafka_certificate_key=str(other.key)),
    ]
    for settings in wrong:
        with pytest.raises(SettingsError, match=r"the file of kafka_\w+, .*; name one that holds"):
            access(settings)


@pytest.mark.parametrize("verb", ["topics create", "doctor", "serve"])
def test_a_file_that_is_not_there_ends_the_program_as_any_wrong_setting(tmp_path: Path, verb: str) -> None:
    environment = {"NEXTCLICK_KAFKA_SECURITY": "ssl", "NEXTCLICK_KAFKA_CA": str(tmp_path / "nowhere.pem")}
    done = nextclick(*verb.split(), environment=environment | {"NEXTCLICK_SECURITY": "off", "COLUMNS": "300"})
    assert done.returncode == SettingsError.exit_code, done.stderr
    assert "kafka_ca" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "protocol"),
    [
        (LOGIN, "SASL_PLAINTEXT"),
        (Settings(kafka_security="ssl"), "SSL"),
        (replace(LOGIN, kafka_security="sasl_ssl"), "SASL_SSL"),
    ],
)
def test_faust_goes_the_same_way(settings: Settings, protocol: str) -> None:
    credentials = configured(settings, Progress())[0].conf.broker_credentials
    assert credentials is not None
    assert credentials.protocol.value == protocol
    assert configured(Settings(), Progress())[0].conf.broker_credentials is None
