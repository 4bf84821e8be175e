"""Session tokens: what the shop's backend signed is believed until it is over, and nothing else ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SettingsError
from schemas.setting import Secret
from serving.http import tokens
from serving.http.tokens import SigningKey, Tokens, made_secret, read_secrets
from tests.kit.doors import NOW, SITE

OLD, NEW = SigningKey("t1", b"1" * 32), SigningKey("t2", b"2" * 32)
OURS = Tokens(SITE, [NEW, OLD])
MINTED = OURS.mint("s-1", "Jürgen, 7", ttl_s=60, now=NOW)

session_ids = st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True)
user_ids = st.none() | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="".join(map(chr, [*range(32), 127]))),
    min_size=1,
    max_size=128,
)


@given(session_ids, user_ids)
def test_what_was_minted_is_believed(session_id: str, user_id: str | None) -> None:
    claims = OURS.verify(OURS.mint(session_id, user_id, ttl_s=60, now=NOW), NOW)

    assert claims is not None
    assert (claims.sid, claims.uid) == (session_id, user_id)


@given(st.integers(0, len(MINTED) - 1), st.characters())
def test_any_altered_character_proves_nothing(at: int, other: str) -> None:
    altered = MINTED[:at] + other + MINTED[at + 1 :]
    assert altered == MINTED or OURS.verify(altered, NOW) is None


@given(st.integers(0, len(MINTED)), st.text(max_size=3))
def test_a_token_with_something_left_out_or_put_in_proves_nothing(at: int, more: str) -> None:
    for altered in (MINTED[:at], MINTED[at:], MINTED[:at] + more + MINTED[at:]):
        assert altered == MINTED or OURS.verify(altered, NOW) is None


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_what_nobody_signed_proves_nothing(anything: str) -> None:
    assert OURS.verify(anything, NOW) is None


def test_a_token_that_is_over_proves_nothing() -> None:
    assert OURS.verify(MINTED, NOW + 59) is not None
    assert OURS.verify(MINTED, NOW + 60) is None


def test_another_sites_token_proves_nothing() -> None:
    assert OURS.verify(Tokens("other-shop", [NEW]).mint("s-1", None, ttl_s=60, now=NOW), NOW) is None


def test_while_secrets_change_both_prove_and_the_first_signs() -> None:
    old = Tokens(SITE, [OLD]).mint("s-1", None, ttl_s=60, now=NOW)

    assert OURS.verify(old, NOW) is not None
    assert Tokens(SITE, [NEW]).verify(old, NOW) is None
    assert Tokens(SITE, [NEW]).verify(MINTED, NOW) is not None


def test_a_key_id_that_is_not_known_is_signed_by_nobody() -> None:
    forged = Tokens(SITE, [SigningKey("t9", tokens._NOBODY)]).mint("s-1", None, ttl_s=60, now=NOW)
    assert OURS.verify(forged, NOW) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"no json",
        b"[]",
        json.dumps({"sid": "a b", "site": SITE, "exp": 2**40}).encode(),
        json.dumps({"sid": "s-1", "site": SITE}).encode(),
        json.dumps({"sid": "s-1", "site": SITE, "exp": "never"}).encode(),
        json.dumps({"sid": "s-1", "site": SITE, "exp": 2**40, "admin": True}).encode(),
        json.dumps({"sid": "s-1", "site": SITE, "exp": 2**40, "uid": "u" * 129}).encode(),
    ],
)
def test_a_payload_that_a_backend_got_wrong_proves_nothing(payload: bytes) -> None:
    signed = f"1.t1.{tokens._encoded(payload)}"
    assert OURS.verify(f"{signed}.{tokens._signature(OLD.secret, signed)}", NOW) is None


def test_what_is_longer_than_any_token_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OURS, "_read", lambda _: pytest.fail("it is looked at"))
    assert OURS.verify("1." * 600, NOW) is None


@pytest.mark.parametrize("token", [MINTED[:-1] + "_", "1.t9.e30.x", "x", ""], ids=["altered", "stranger", "x", "none"])
def test_every_token_is_signed_once_to_be_looked_at(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that how long it takes tells nothing of what is wrong with it."""
    signed: list[str] = []
    honest = tokens._signature

    def noted(secret: bytes, text: str) -> str:
        signed.append(text)
        return honest(secret, text)

    monkeypatch.setattr(tokens, "_signature", noted)
    Tokens(SITE, [NEW, OLD]).verify(token, NOW)

    assert len(signed) == 1


def test_secrets_are_read_from_a_file_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text(f"t2:{'2' * 32}\nt1:{'1' * 32}\n", encoding="utf-8")

    assert read_secrets(Secret(f"@{file}")) == read_secrets(Secret(f"t2:{'2' * 32},t1:{'1' * 32}")) == [NEW, OLD]


@pytest.mark.parametrize("content", ["t1:short-but-secret", "no-name-but-secret-" * 3, ":nameless-but-secret" * 3])
def test_a_file_of_secrets_that_is_wrong_is_refused_without_being_shown(content: str, tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(SettingsError, match="nextclick key --secret") as refused:
        read_secrets(Secret(f"@{file}"))
    assert "but-secret" not in str(refused.value)


def test_a_file_of_secrets_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_secrets(Secret("@/no/such/file"))


def test_a_secret_that_was_made_can_be_configured() -> None:
    ((name, secret),) = read_secrets(Secret(f"t1:{made_secret(bytes(tokens.RANDOM_BYTES))}"))
    assert name == "t1"
    assert len(secret) >= tokens.RANDOM_BYTES
