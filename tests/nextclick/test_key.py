"""`nextclick key` and `nextclick token`: what they print is what the endpoint takes."""

from __future__ import annotations

import time

import pytest

from nextclick.cli import main
from schemas.errors import SettingsError, UsageError
from schemas.settings import Settings
from serving.http.keys import SiteKeys
from serving.http.tokens import Tokens, read_secrets


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(arguments) == 0
    return capsys.readouterr().out.split("\n")


def test_a_new_key_is_one_that_its_entry_admits(capsys: pytest.CaptureFixture[str]) -> None:
    page, setting = (line.split()[-1] for line in said(capsys, "key", "web-2")[:2])
    configured = Settings.read({"NEXTCLICK_SITE_KEYS": setting}, {})

    assert SiteKeys.read(configured.site_keys).name_of(page) == "web-2"
    assert said(capsys, "key")[0] != said(capsys, "key")[0], "no two are alike"


def test_a_new_secret_signs_what_it_proves(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    secret = said(capsys, "key", "t2", "--secret")[0]
    monkeypatch.setenv("NEXTCLICK_TOKEN_SECRETS", secret)

    token = said(capsys, "token", "s-1", "--user", "Jürgen, 7", "--ttl", "60")[0]

    read = Settings.read({"NEXTCLICK_TOKEN_SECRETS": secret}, {})
    tokens = Tokens(read.site, read_secrets(read.token_secrets))
    claims = tokens.verify(token, time.time())
    assert claims is not None
    assert (claims.sid, claims.uid) == ("s-1", "Jürgen, 7")
    assert tokens.verify(token, time.time() + 61) is None


def test_without_a_secret_no_token_is_signed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "s-1"]) == SettingsError.exit_code
    assert "nextclick key --secret" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [["key", "a b"], ["token", "s 1"], ["token", "s-1", "--ttl", "0"], ["token", "s-1", "--user", "\n"]]
)
def test_what_can_be_no_name_is_refused(wrong: list[str]) -> None:
    assert main(wrong) == UsageError.exit_code
