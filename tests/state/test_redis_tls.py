"""Laws of a Redis that is spoken to in TLS: it is believed where its authority is known, and for its own name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from nextclick import doctor
from nextclick.servers import LOOPBACK, Guardian, free_port
from schemas import keys
from schemas.errors import RedisError
from schemas.settings import RedisUrl, Settings
from serving.state import probe
from serving.state.channels import Channels
from serving.state.pipeline import Call, Pipeline
from serving.state.redis import RedisSessionStore
from tests.kit import rungs
from tests.kit.authority import Authority
from tests.kit.redis_cluster import RedisCluster
from tests.kit.redis_server import FLEETING, RedisServer

_HEARD_S: Final = 60


class Encrypted:
    """A server and a Cluster of which `certificate` says that they are at their address."""

    def __init__(self, guardian: Guardian, folder: Path) -> None:
        self._authority, self._folder = Authority(folder), folder
        proof = self._authority.issue("redis")
        self._tls: Final = (
            *("--tls-cert-file", str(proof.certificate), "--tls-key-file", str(proof.key)),
            *("--tls-ca-cert-file", str(self._authority.certificate), "--tls-auth-clients", "no"),
        )
        self.port, self.node_port = free_port(), free_port()
        self.server = RedisServer(guardian, "tls-redis", (*FLEETING, "--tls-port", str(self.port), *self._tls))
        ports = iter((self.node_port, free_port(), free_port()))
        self.cluster = RedisCluster(
            guardian, "tls-cluster", lambda: ("--tls-port", str(next(ports)), "--tls-cluster", "yes", *self._tls)
        )

    def url(self, host: str = LOOPBACK, authority: Path | None = None) -> RedisUrl:
        return RedisUrl(f"rediss://{host}:{self.port}/0?ssl_ca_certs={authority or self._authority.certificate}")

    @property
    def cluster_url(self) -> RedisUrl:
        return RedisUrl(f"rediss+cluster://{LOOPBACK}:{self.node_port}?ssl_ca_certs={self._authority.certificate}")

    @property
    def of_a_stranger(self) -> RedisUrl:
        return self.url(authority=Authority(self._folder, "stranger").certificate)

    @property
    def by_another_name(self) -> RedisUrl:
        return self.url(host="localhost")


@pytest.fixture(scope="module")
def encrypted(guardian: Guardian, tmp_path_factory: pytest.TempPathFactory) -> Encrypted:
    rungs.demand("redis-server", "redis-cli", "openssl")
    return Encrypted(guardian, tmp_path_factory.mktemp("certificates"))


def test_whoever_knows_the_authority_asks_stores_and_listens(encrypted: Encrypted, sid: str) -> None:
    for url in (encrypted.url(), encrypted.cluster_url):
        assert probe.redis(url, 5).cluster is url.is_cluster
        asyncio.run(_worked(url, sid))


async def _worked(url: RedisUrl, sid: str) -> None:
    pipeline, store, channels = Pipeline(url), RedisSessionStore(url), Channels(url)
    heard: list[str] = []
    listening = asyncio.create_task(channels.listen(heard.append, lambda: None))
    try:
        async with asyncio.timeout(_HEARD_S):
            assert (await store.read(sid)).session is None
            while not channels.hears:  # noqa: ASYNC110 - it says so in no other way
                await asyncio.sleep(0.02)
            await pipeline.run([Call(("PUBLISH", f"rec.{keys.CHANNELS - 1}", "somebody"))])
            while not heard:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.02)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await store.close()
        await pipeline.close()


@pytest.mark.parametrize("url", ["of_a_stranger", "by_another_name"])
def test_who_cannot_prove_to_be_our_redis_is_not_spoken_to(encrypted: Encrypted, url: str) -> None:
    chosen: RedisUrl = getattr(encrypted, url)

    async def asked() -> None:
        pipeline = Pipeline(chosen)
        try:
            await pipeline.run([Call(("PING",))])
        finally:
            await pipeline.close()

    async def probed() -> None:
        probe.redis(chosen, 5)

    looks: tuple[Callable[[], Awaitable[None]], ...] = (asked, probed)
    for look in looks:
        with pytest.raises(RedisError, match=r"CERTIFICATE_VERIFY_FAILED.*; name .* in NEXTCLICK_REDIS"):
            asyncio.run(_of(look))


async def _of(look: Callable[[], Awaitable[None]]) -> None:
    await look()


def test_doctor_says_how_redis_can_be_believed(encrypted: Encrypted) -> None:
    found = {check.name: check for check in doctor.examine(Settings(redis=encrypted.of_a_stranger))}
    assert found["redis"].state == "failed"
    assert "ssl_ca_certs" in found["redis"].advice
