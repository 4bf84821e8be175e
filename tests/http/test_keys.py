"""Site keys: the right one is known, also while two are good, and nothing else is."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.http import keys
from serving.http.keys import SiteKeys, entry, made

OLD, NEW = made(b"\1" * keys.RANDOM_BYTES), made(b"\2" * keys.RANDOM_BYTES)
ENTRIES = f"{entry('old', OLD)},{entry('new', NEW)}"
BOTH = SiteKeys.read(ENTRIES)


def test_while_one_key_takes_the_others_place_both_are_good() -> None:
    assert (BOTH.name_of(OLD), BOTH.name_of(NEW)) == ("old", "new")
    assert SiteKeys.read(entry("new", NEW)).name_of(OLD) is None


@given(st.text() | st.sampled_from([OLD[:-1], NEW + "=", OLD.upper(), "", "\ud800", entry("old", OLD)]))
def test_what_is_no_key_is_no_key(other: str) -> None:
    assert BOTH.name_of(other) is None


def test_every_key_is_compared_in_constant_time_until_it_was_good_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    honest = hmac.compare_digest

    def noted(ours: bytes, theirs: bytes) -> bool:
        compared.append(theirs)
        return honest(ours, theirs)

    monkeypatch.setattr(keys, "compare_digest", noted)

    both, hashes = SiteKeys.read(ENTRIES), [sha256(each.encode()).digest() for each in (OLD, NEW)]
    for key, again in ((OLD, []), (NEW, []), ("pub_of-nobody", hashes)):
        compared.clear()
        both.name_of(key)
        assert compared == hashes
        both.name_of(key)
        assert compared[len(hashes) :] == again


def test_no_keys_are_none() -> None:
    assert not SiteKeys.read("")
    assert SiteKeys.read("").name_of(OLD) is None
