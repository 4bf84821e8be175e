"""Laws of the port: our processes share it with each other and with nobody else."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from nextclick.servers import LOOPBACK, free_port
from schemas.errors import SettingsError
from serving.http.ports import bound, claim
from tests.kit.command import nextclick


def test_processes_of_one_endpoint_share_a_port() -> None:
    port = free_port()
    claim(LOOPBACK, port)
    with closing(bound(LOOPBACK, port)) as first, closing(bound(LOOPBACK, port)) as second:
        first.listen()
        second.listen()


def test_a_port_where_an_endpoint_serves_already_is_refused() -> None:
    with closing(bound(LOOPBACK, free_port())) as other:
        other.listen()
        with pytest.raises(SettingsError, match="a port that is free"):
            claim(LOOPBACK, other.getsockname()[1])


def test_an_address_that_is_not_ours_is_refused_before_anything_is_loaded() -> None:
    done = nextclick("serve", "--host", "203.0.113.9")
    assert done.returncode == 78
    assert "NEXTCLICK_SERVE_HOST is '203.0.113.9'" in done.stderr


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
def test_what_is_no_port_is_refused(port: str) -> None:
    done = nextclick("serve", "--port", port)
    assert done.returncode == 64
    assert "no port" in done.stderr or "expected one argument" in done.stderr


def test_a_port_that_was_just_let_go_can_be_had_again() -> None:
    port = free_port()
    with socket.create_server((LOOPBACK, port)):
        pass
    claim(LOOPBACK, port)
