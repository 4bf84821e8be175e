"""Where candidates come from: one file a source, each of them whole, fitting included.

The contract is source.py; the sources of a bundle are `ALL`.
"""

from __future__ import annotations

from typing import Final

from serving.ranking.sources.attributes import Attributes
from serving.ranking.sources.covisitation import Covisitation
from serving.ranking.sources.item2vec import Item2Vec
from serving.ranking.sources.item_cf import ItemCf
from serving.ranking.sources.markov import Markov
from serving.ranking.sources.newcomers import Newcomers
from serving.ranking.sources.popular import Popular
from serving.ranking.sources.session_items import SessionItems
from serving.ranking.sources.session_knn import SessionKnn
from serving.ranking.sources.source import Source
from serving.ranking.sources.transformer import Transformer
from serving.ranking.sources.trending import Trending
from serving.ranking.sources.vmis_knn import VmisKnn

#: Whose candidates are like an item of the session rather than seen together with it.
ALIKE: Final = frozenset({Item2Vec.name, Transformer.name, Attributes.name, Newcomers.name})

#: Who asks what an item is, not who clicked on it. The others do not know one that came today; on the shelves of
#: `attributes`, which clicks put in order, it lies behind all that anybody clicked on.
CLICKLESS: Final = frozenset({SessionItems.name, Transformer.name})

#: Who has no list by item, and so may be asked of one that came later.
BOUNDLESS: Final = frozenset({SessionItems.name})

#: Of a bundle; of sources that say the same of a candidate, the first gives the reason.
ALL: Final[tuple[type[Source], ...]] = (
    *(SessionItems, SessionKnn, Covisitation, Item2Vec, Transformer, Attributes),
    *(Trending, Popular),
)
#: What evaluation sets beside them. In the pool they brought nothing that the others do not, and cost their time.
BASELINES: Final[tuple[type[Source], ...]] = (VmisKnn, ItemCf, Markov)
