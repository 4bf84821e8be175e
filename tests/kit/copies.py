"""A bundle to be damaged, and what is said of it then."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.bundle import MANIFEST, seal
from schemas.errors import BundleError
from serving.ranking import arrays, bundle
from serving.state import bundles


@dataclass(frozen=True, slots=True)
class Copy:
    path: Path

    def manifest(self, change: Callable[[dict[str, Any]], None], *, sealed: bool = True) -> None:
        """Another manifest, by default one that vouches for itself as training would have let it."""
        said = json.loads((self.path / MANIFEST).read_bytes())
        change(said)
        if sealed:
            said["sha256"] = seal(said)
        self.write(MANIFEST, json.dumps(said).encode())

    def write(self, file: str, data: bytes | bytearray) -> None:
        """In its place another file: what was there may be the whole bundle's too, by another name."""
        (self.path / file).unlink(missing_ok=True)
        (self.path / file).write_bytes(data)

    def put(self, file: str, data: bytes) -> None:
        """A file that its manifest vouches for: damage by whoever makes bundles, not on the way."""
        self.write(file, data)

        def vouch(said: dict[str, Any]) -> None:
            said["files"][file] = {"sha256": sha256(data).hexdigest(), "bytes": len(data)}
            self._named_anew(said)

        self.manifest(vouch)

    def drop(self, file: str) -> None:
        """A file that its manifest knows nothing of."""
        (self.path / file).unlink()

        def forget(said: dict[str, Any]) -> None:
            del said["files"][file]
            self._named_anew(said)

        self.manifest(forget)

    @staticmethod
    def _named_anew(said: dict[str, Any]) -> None:
        hashes = {name: claim["sha256"] for name, claim in said["files"].items()}
        said["version"], said["counts_version"] = bundle.version(hashes), bundle.counts_version(hashes)

    def array(self, file: str) -> np.ndarray[Any, Any]:
        return np.array(arrays.decode((self.path / file).read_bytes()))

    def put_array(self, file: str, array: np.ndarray[Any, Any]) -> None:
        self.put(file, arrays.encode(array))

    def refusal(self) -> BundleError:
        with pytest.raises(BundleError) as refused:
            bundles.load(self.path)
        assert str(self.path) in refused.value.detail
        assert "nextclick train" in refused.value.detail
        return refused.value
