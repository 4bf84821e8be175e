"""Where candidates come from: one file a source, each of them whole, fitting included.

The contract is source.py; the sources of a bundle, in order of precedence, are `ALL`.
"""

from __future__ import annotations

from typing import Final

from serving.ranking.sources.covisitation import Covisitation
from serving.ranking.sources.popular import Popular
from serving.ranking.sources.session_items import SessionItems
from serving.ranking.sources.source import Source

#: When the pool is full, candidates of the last source give way first.
ALL: Final[tuple[type[Source], ...]] = (SessionItems, Covisitation, Popular)
