"""Whom a request is counted against: nobody is counted as another by what they write into a header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.http.addresses import Proxies, subscriber

BEHIND = Proxies.read("10.0.0.0/8,fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "203.0.113.5, 198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "203.0.113.5, 198.51.100.9, 10.0.0.2", "198.51.100.9"),
        ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "203.0.113.5, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.9:51234", "198.51.100.9"),
        ("fd00::1", "[2001:db8::9]:51234", "2001:db8::9"),
        ("::ffff:10.0.0.1", "2001:db8::9", "2001:db8::9"),
    ],
)
def test_it_is_the_nearest_that_is_no_proxy_of_ours(peer: str, forwarded: str, client: str) -> None:
    assert BEHIND.client(peer, forwarded) == client


@given(st.text())
def test_what_a_client_writes_before_its_own_address_changes_nothing(written: str) -> None:
    assert BEHIND.client("10.0.0.1", f"{written}, 198.51.100.9") == "198.51.100.9"


@given(st.text())
def test_without_proxies_nothing_that_is_written_is_believed(written: str) -> None:
    assert Proxies.read("").client("192.0.2.1", written) == "192.0.2.1"


def test_a_subscriber_has_one_address_or_one_network_of_ipv6() -> None:
    assert subscriber("192.0.2.1") == subscriber("::ffff:192.0.2.1") != subscriber("192.0.2.2")
    assert subscriber("2001:db8:1:2::3") == subscriber("2001:db8:1:2:ffff::") != subscriber("2001:db8:1:3::3")
    assert subscriber("a unix socket") == "a unix socket"
