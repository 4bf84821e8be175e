"""/metrics, /ready and /live on one port, which answers from threads of its own: also while the event loop is busy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Final, Protocol, Self
from urllib.parse import urlsplit

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from schemas.errors import SettingsError

_JSON: Final = "application/json; charset=utf-8"
_OK, _UNAVAILABLE = 200, 503


@dataclass(frozen=True, slots=True)
class Answer:
    """A status of HTTP and a body of JSON."""

    status: int
    body: bytes

    @classmethod
    def of(cls, good: bool, body: object) -> Self:
        return cls(_OK if good else _UNAVAILABLE, msgspec.json.encode(body))


class Health(Protocol):
    """What a process says of itself; asked from other threads than its own."""

    def ready(self) -> Answer: ...

    def live(self) -> Answer: ...


#: A client that opens a connection and says nothing gives its thread back.
_CLIENT_S: Final = 5.0
_NOT_FOUND: Final = Answer(404, b'{"error": "there are /metrics, /ready and /live"}')


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        super().__init__((host, port), handler)


def serve(host: str, port: int, registry: CollectorRegistry, health: Health) -> None:
    """From here to the end of the process."""
    try:
        server = _Server(host, port, _handler({"/ready": health.ready, "/live": health.live}, registry))
    except OSError as error:
        raise SettingsError(
            f"NEXTCLICK_METRICS_HOST is {host!r} and NEXTCLICK_METRICS_PORT is {port}, and nothing can be served "
            f"there: {error}; allowed is an address of this host and a port that is free, another for each worker"
        ) from None
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()


def _handler(pages: Mapping[str, Callable[[], Answer]], registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _CLIENT_S
        server_version, sys_version = "nextclick", ""

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._send(200, content_type, encode(registry))
            else:
                answer = pages[path]() if path in pages else _NOT_FOUND
                self._send(answer.status, _JSON, answer.body)

        def _send(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Whoever asks every few seconds need not be in the log."""

    return Handler
