"""Real shoppers to try everything with; README.md says who they are and what was done to them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent

#: The log the demo's bundle was counted from.
TRAIN: Final = _HERE / "train.csv.gz"
#: The week after it: shoppers the bundle has never seen.
REPLAY: Final = _HERE / "replay.csv.gz"
CATALOGUE: Final = _HERE / "catalogue.csv.gz"
BUNDLE: Final = _HERE / "bundle"
