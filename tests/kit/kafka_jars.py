"""The jars of one Apache Kafka, from Maven Central, fetched once and kept in the user's cache."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from schemas.errors import ServiceError

_POM = Path(__file__).with_name("pom.xml")
_FETCH_S = 300.0
#: Written last: a folder without it is a fetch that was interrupted.
_MARKER = ".complete"


def version() -> str:
    found = ElementTree.parse(_POM).find(".//{*}dependency[{*}artifactId='kafka_2.13']/{*}version")  # noqa: S314 - ours
    assert found is not None
    assert found.text
    return found.text


def cached(environment: Mapping[str, str]) -> Path:
    """Where the jars are, or will be."""
    cache = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "nextclick" / f"kafka-{version()}"


def fetch(environment: Mapping[str, str]) -> Path:
    """The folder of the jars. Two runs at once are fine: what is there is always whole."""
    target = cached(environment)
    if (target / _MARKER).exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=target.parent) as scratch:
        _download(Path(scratch))
        (Path(scratch) / "jars" / _MARKER).touch()
        shutil.rmtree(target, ignore_errors=True)
        (Path(scratch) / "jars").rename(target)
    return target


def _download(scratch: Path) -> None:
    shutil.copy(_POM, scratch)
    command = ["mvn", "--quiet", "--batch-mode", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
    try:
        subprocess.run(command, cwd=scratch, timeout=_FETCH_S, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise ServiceError(f"mvn does not fetch Kafka's jars: {error.stdout[-1000:]}{error.stderr[-500:]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"mvn does not fetch Kafka's jars: {error}") from error
