"""An authority of the tests' own, and the certificates that it gives, as PEM files in one folder."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nextclick.servers import LOOPBACK

_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2")
_OPENSSL_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """What it says, and the key that proves it."""

    certificate: Path
    key: Path

    def in_one(self) -> Path:
        """Both in one file, as Kafka's PEM key store has it."""
        whole = self.certificate.with_suffix(".both.pem")
        whole.write_text(self.key.read_text() + self.certificate.read_text(), encoding="ascii")
        return whole


class Authority:
    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self._own = self._made(name, *usage)
        self.certificate: Final = self._own.certificate

    def issue(self, name: str, address: str = f"IP:{LOOPBACK}") -> Certificate:
        signing = ("-CA", str(self._own.certificate), "-CAkey", str(self._own.key))
        leaf = ("-addext", "basicConstraints=critical,CA:FALSE", "-addext", f"subjectAltName={address}")
        return self._made(name, *signing, *leaf)

    def _made(self, name: str, *options: str) -> Certificate:
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        files = ("-out", str(made.certificate), "-keyout", str(made.key))
        command = ("openssl", "req", "-x509", *_KEY, "-subj", f"/CN={name}", *files, *options)
        subprocess.run(command, check=True, capture_output=True, timeout=_OPENSSL_S)
        return made
