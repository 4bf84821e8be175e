"""A client that keeps connections, for tests that ask much at once within one event loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from nextclick.servers import LOOPBACK


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client:
    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _reader, writer in self._idle:
            writer.close()

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(LOOPBACK, self._port)
        lines = [f"{method} {path} HTTP/1.1", "Host: shop", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        reply = await self._read(reader)
        if reply.headers.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return reply

    async def _read(self, reader: asyncio.StreamReader) -> Reply:
        status, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Reply(int(status.split(" ")[1]), headers, body)
