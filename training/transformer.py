"""The transformer: a session's items in, one vector out, in the space where items lie.

    item vector      learned for the item itself + what its catalogue entry says, scaled to length 1
    session vector   a mean of the session's item vectors, weighed by attention, + what the blocks make of their order
    logit            temperature x <session vector, item vector>

Everything counts from the end: attention knows how far back an item lies, never how far in, so that one pass over a
session answers for all its prefixes at once, and production answers for the last one alone.

Shapes: b sessions, t places, d width, h heads.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, normalize

from serving.ranking.scorer import LENGTH_MAX
from serving.ranking.sessions import DEEDS

#: Gaps are told apart by powers of two, from a second to beyond a day.
_GAPS: Final = 18
#: An attention score that leaves nothing of what it stands before.
MASKED: Final = -1e4
#: How steeply the mean of item vectors forgets at first, in nats a place; learned from there.
_FORGETS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Shape:
    """All that it takes to build the same network again."""

    items: int
    #: How many words catalogue entries are told by; 0 without a catalogue.
    words: int = 0
    width: int = 128
    heads: int = 4
    blocks: int = 2
    dropout: float = 0.1

    def plain(self) -> dict[str, int | float]:
        return asdict(self)


class Attention(nn.Module):
    """Causal self-attention whose scores carry a learned bias for the distance."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.dropout = shape.dropout
        self.asks = nn.Linear(shape.width, shape.width, bias=False)
        self.offers = nn.Linear(shape.width, 2 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)
        self.bias = nn.Parameter(torch.zeros(shape.heads, LENGTH_MAX))

    def forward(self, x: Tensor, asking: Tensor, mask: Tensor, distance: Tensor) -> Tensor:
        """What the `asking` places (b, a, d), the last ones of x (b, t, d), learn of all: (b, a, d)."""
        b, t, d = x.shape
        q = self.asks(asking).view(b, -1, self.heads, d // self.heads).transpose(1, 2)  # (b, h, a, d / h)
        k, v = self.offers(x).view(b, t, 2, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)  # (b, h, t, d / h)
        scores = q @ k.transpose(2, 3) / math.sqrt(d // self.heads) + self.bias[:, distance] + mask  # (b, h, a, t)
        shares = dropout(scores.softmax(-1), self.dropout, self.training)
        learned: Tensor = self.out((shares @ v).transpose(1, 2).reshape(b, -1, d))
        return learned


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(shape.width), nn.LayerNorm(shape.width)
        self.attention = Attention(shape)
        self.thought = nn.Sequential(
            nn.Linear(shape.width, 2 * shape.width), nn.GELU(), nn.Linear(2 * shape.width, shape.width)
        )
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, x: Tensor, mask: Tensor, distance: Tensor, only: int | None = None) -> Tensor:
        """All places, or `only` so many of the last."""
        asking = slice(None) if only is None else slice(-only, None)
        entered = self.before(x)
        told = self.attention(entered, entered[:, asking], mask[:, :, asking], distance[asking])
        x = x[:, asking] + self.dropout(told)
        thought: Tensor = x + self.dropout(self.thought(self.between(x)))
        return thought


class Encoder(nn.Module):
    """Item vectors of a session -> the session vector at every place."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.width
        self.types, self.gaps = nn.Embedding(len(DEEDS), d), nn.Embedding(_GAPS, d)
        self.entry, self.exit = nn.LayerNorm(d), nn.LayerNorm(d)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.blocks))
        self.asks, self.answers = nn.Linear(d, d, bias=False), nn.Linear(d, d, bias=False)
        self.recency = nn.Parameter(-_FORGETS * torch.arange(float(LENGTH_MAX)))
        self.gate, self.made = nn.Linear(d, d), nn.Linear(d, d)
        self.dropout = nn.Dropout(shape.dropout)
        for table in (self.types, self.gaps):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, vectors: Tensor, types: Tensor, gaps: Tensor, lengths: Tensor, only: int | None = None) -> Tensor:
        """vectors (b, t, d) of length 1, types and gaps (b, t), lengths (b,) -> (b, t or `only`, d) of length 1.

        A shorter session stands at the end of its row; whatever lies before it is masked.
        """
        t = vectors.shape[1]
        places = torch.arange(t, device=vectors.device)
        distance = (places[:, None] - places[None, :]).clamp(min=0)  # (t, t) how far back
        ahead = places[None, :] > places[:, None]  # (t, t)
        outside = places[None, :] < t - lengths[:, None]  # (b, t)
        mask = MASKED * (ahead[None] | outside[:, None, :]).to(vectors.dtype)  # (b, t, t)

        # sqrt(d), so that an item says as much as a layer norm makes of it.
        x = self.dropout(vectors * math.sqrt(vectors.shape[2])) + self.types(types) + self.gaps(gap_codes(gaps))
        x = self.entry(x)
        entered = x
        asking = slice(None) if only is None else slice(-only, None)
        for number, block in enumerate(self.blocks, start=1):
            # Only the last block may leave out places: the ones before it are what it looks at.
            x = block(x, mask[:, None], distance, only if number == len(self.blocks) else None)
        x = self.exit(x)

        asked = self.asks(x) @ self.answers(entered).transpose(1, 2) / math.sqrt(x.shape[2])  # (b, a, t)
        mean = (asked + self.recency[distance[asking]] + mask[:, asking]).softmax(-1) @ vectors
        return normalize(mean + torch.sigmoid(self.gate(x)) * self.made(x), dim=-1)


def gap_codes(seconds: Tensor) -> Tensor:
    """0 for no time at all, then one code for each doubling."""
    return torch.log2(1 + seconds.clamp(min=0)).ceil().clamp(max=_GAPS - 1).long()


class Items(nn.Module):
    """Item vectors: one part learned for the item itself, one from the words of its catalogue entry."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.own = nn.Embedding(shape.items, shape.width, sparse=True)
        nn.init.normal_(self.own.weight, std=shape.width**-0.5)
        self.words = nn.EmbeddingBag(shape.words, shape.width, mode="mean") if shape.words else None
        if self.words is not None:
            nn.init.normal_(self.words.weight, std=0.1 * shape.width**-0.5)

    def forward(self, ids: Tensor, words: Tensor | None, word_starts: Tensor | None, known: Tensor | None) -> Tensor:
        """(n, d) of length 1 for ids (n,), whose words lie end to end; where not `known` (n,), from its words alone."""
        own = self.own(ids)
        if known is not None:
            own = own * known[:, None]
        if self.words is not None:
            own = own + self.words(words, word_starts)
        return normalize(own, dim=-1)


class Transformer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.items = Items(shape)
        self.encoder = Encoder(shape)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(14.0)))

    @property
    def temperature(self) -> Tensor:
        return self.log_temperature.exp()
