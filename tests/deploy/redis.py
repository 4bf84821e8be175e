"""The Redis of docker-compose.yml, started here as its service starts it there."""

from __future__ import annotations

import subprocess
from pathlib import Path

from nextclick.servers import LOOPBACK, Guardian, free_port
from tests.deploy.composition import Service


def start(guardian: Guardian, name: str, service: Service) -> int:
    """Its port, once it is well by the service's own health check."""
    port = free_port()
    program, script = service.command
    mounted = {mount.target: mount.source for mount in service.mounts}
    # What the script looks for beside it is beside it there as here.
    assert {Path(target).parent for target in mounted} == {Path(script).parent}
    assert all(source.name == Path(target).name for target, source in mounted.items())
    command: list[str | Path] = [program, mounted[script], "--port", str(port), "--bind", LOOPBACK]
    server = guardian.start(name, command, service.environment | {"TMPDIR": str(guardian.directory / name)})
    shell, flag, health = service.health
    asked = [shell, flag, health.replace("redis-cli", f"redis-cli -p {port}")]
    server.await_ready(lambda: subprocess.run(asked, capture_output=True, timeout=30, check=False).returncode == 0, 30)
    return port
