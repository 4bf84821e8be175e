"""The port that the endpoint's processes share, and nobody else."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Final

from schemas.errors import SettingsError

#: What the kernel holds for a client that does not fetch it: by itself it takes megabytes before we notice.
_UNSENT_MAX: Final = 128 * 1024


def claim(host: str, port: int) -> None:
    """SettingsError where somebody serves already. Two endpoints that share a port unknowingly, with settings of their
    own, would each be asked by half of all clients.
    """
    bound(host, port, shared=False).close()


def bound(host: str, port: int, *, shared: bool = True) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with ExitStack() as unless_bound:
            sock = unless_bound.enter_context(socket.socket(family, socket.SOCK_STREAM))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNSENT_MAX)  # of each connection, too
            sock.bind((host, port))
            unless_bound.pop_all()
    except OSError as error:
        raise SettingsError(
            f"NEXTCLICK_SERVE_HOST is {host!r} and NEXTCLICK_SERVE_PORT is {port}, and nothing can be served there: "
            f"{error}; allowed is an address of this host and a port that is free"
        ) from None
    return sock
