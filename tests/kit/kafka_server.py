"""A real Apache Kafka: one JVM that is broker and controller, which a test may kill, freeze and start again."""

from __future__ import annotations

import base64
import secrets
import signal
import subprocess
from pathlib import Path

from nextclick import ping
from nextclick.servers import LOOPBACK, Guardian, Server, free_port, on_free_port
from schemas.errors import ServiceError

_FORMAT_S = 60.0
_START_S = 60.0
_STOP_S = 30.0

#: For a broker that lives for minutes: what the better compiler costs it never earns back.
BRIEF = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
#: For one that works for an hour, or that is measured: Java's own choice.
LASTING = ()
_JAVA = ("java", "-Xms128m", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")

# The broker's session is short because a killed broker is only let in again once its old one has ended.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=BROKER://{host}:{port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={logs}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


class KafkaServer:
    """Running once constructed. `start` after `kill` or `stop` uses the same port and log directory."""

    def __init__(
        self,
        guardian: Guardian,
        jars: Path,
        name: str = "kafka",
        properties: str = PROPERTIES,
        users: tuple[str, ...] = (),
        options: tuple[str, ...] = BRIEF,
    ) -> None:
        """`users` are those of SCRAM, as Kafka's storage tool takes them."""
        self._guardian = guardian
        self._jars = jars
        self._name = name
        self._told = properties
        self._users = users
        self._options = options
        # Never with a dash in front, which StorageTool would take for an option.
        self._cluster_id = base64.urlsafe_b64encode(b"\0" + secrets.token_bytes(15)).decode().rstrip("=")
        self._server: Server
        self.port = on_free_port(self._first_start)

    @property
    def servers(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        return self._server.pid

    def start(self) -> None:
        self._start(self.port)

    def stop(self) -> None:
        """As an operator does: leaders handed over, logs closed."""
        self._server.end(signal.SIGTERM, _STOP_S)

    def kill(self) -> None:
        self._server.kill()

    def pause(self) -> None:
        self._server.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._server.signal(signal.SIGCONT)

    @property
    def _properties(self) -> Path:
        return self._guardian.directory / f"{self._name}.properties"

    def _first_start(self, port: int) -> int:
        logs = self._guardian.directory / self._name / "logs"
        self._properties.write_text(self._told.format(host=LOOPBACK, port=port, controller=free_port(), logs=logs))
        tool = ("kafka.tools.StorageTool", "format", "--ignore-formatted", "--cluster-id", self._cluster_id)
        users = [word for user in self._users for word in ("--add-scram", user)]
        command = [*self._java(BRIEF), *tool, "--config", str(self._properties), *users]
        formatted = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_S, check=False)
        if formatted.returncode != 0:
            raise ServiceError(f"Kafka's storage tool refuses: {formatted.stdout[-500:]}{formatted.stderr[-1000:]}")
        return self._start(port)

    def _start(self, port: int) -> int:
        command = [*self._java(self._options), "kafka.Kafka", str(self._properties)]
        self._server = self._guardian.start(self._name, command)
        self._server.await_ready(lambda: ping.kafka_is(port, self._cluster_id), _START_S)
        return port

    def _java(self, options: tuple[str, ...]) -> tuple[str, ...]:
        return (*_JAVA, *options, "-cp", f"{self._jars}/*")
