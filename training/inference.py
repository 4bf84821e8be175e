"""The encoder as production runs it: the same function of the same weights, asked of a session's last place alone.

It is put so that it takes few steps, for at one session the steps cost more than what is done in them:

    gaps        the vector of a gap is the sum of what each doubling of it adds
    distances   biases lie in a table, causal already
    questions   in the last block one place asks: what it asks is brought to the places, head by head, and what it
                learns is brought back, so that no place needs a key or a value of its own

Shapes: b sessions, t places, d width, h heads, l the greatest length.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from serving.ranking.scorer import LENGTH_MAX
from training.transformer import MASKED, Attention, Block, Encoder


class Inference(nn.Module):
    """Sessions at the ends of their rows -> the session vector of each."""

    types: Tensor
    gaps: Tensor
    doublings: Tensor
    back: Tensor
    recency: Tensor
    asks: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        *whole, last = (block for block in encoder.blocks if isinstance(block, Block))
        self.whole, self.last = nn.ModuleList(map(Whole, whole)), Last(last)
        self.entry, self.exit = encoder.entry, encoder.exit
        self.gate, self.made = encoder.gate, encoder.made
        types, gaps = encoder.types.weight.detach(), encoder.gaps.weight.detach()
        root = math.sqrt(types.shape[1])
        self.register_buffer("types", (types + gaps[0]) / root)  # (types, d)
        self.register_buffer("gaps", (gaps[1:] - gaps[:-1]) / root)  # (codes - 1, d) what each code adds to the last
        self.register_buffer("doublings", 2.0 ** torch.arange(len(gaps) - 1) - 1)  # seconds beyond which it does
        self.register_buffer("back", torch.arange(LENGTH_MAX).flip(0))  # (l,)
        self.register_buffer("recency", encoder.recency.detach().flip(0))  # (l,)
        self.register_buffer("asks", encoder.asks.weight.detach().T @ encoder.answers.weight.detach() / root)  # (d, d)

    def forward(self, vectors: Tensor, types: Tensor, gaps: Tensor, lengths: Tensor) -> Tensor:
        """vectors (b, t, d), types and gaps (b, t), lengths (b,) -> (b, d)"""
        vectors, t = vectors.float(), vectors.shape[1]
        outside = torch.where(self.back[-t:] < lengths[:, None, None], 0.0, MASKED)  # (b, 1, t)

        touches = self.types[types] + (gaps[:, :, None] > self.doublings).to(vectors.dtype) @ self.gaps  # (b, t, d)
        # Not times sqrt(d) as there: a norm sees no factor, once its epsilon is told.
        entry = self.entry
        x = layer_norm(vectors + touches, entry.normalized_shape, entry.weight, entry.bias, entry.eps / len(self.asks))
        entered = x
        for block in self.whole:
            x = block(x, outside)
        x = self.exit(self.last(x, outside))  # (b, d)

        asked = entered @ (x @ self.asks)[:, :, None]  # (b, t, 1)
        shares = (asked.transpose(1, 2) + self.recency[-t:] + outside).softmax(-1)  # (b, 1, t)
        made = (shares @ vectors)[:, 0] + torch.sigmoid(self.gate(x)) * self.made(x)
        found: Tensor = made / torch.linalg.vector_norm(made, dim=1, keepdim=True).clamp(min=1e-12)
        return found


class Whole(nn.Module):
    """A block before the last, in which every place asks."""

    biases: Tensor

    def __init__(self, block: Block) -> None:
        super().__init__()
        attention = block.attention
        self.heads = attention.heads
        self.before, self.between, self.thought, self.out = block.before, block.between, block.thought, attention.out
        self.told = _joint(attention)
        places = torch.arange(LENGTH_MAX)
        distance = places[:, None] - places[None, :]  # (l, l)
        biases = attention.bias.detach()[:, distance.clamp(min=0)]
        self.register_buffer("biases", torch.where(distance < 0, MASKED, biases))  # (h, l, l)

    def forward(self, x: Tensor, outside: Tensor) -> Tensor:
        t = x.shape[1]
        q, k, v = self.told(self.before(x)).chunk(3, dim=2)
        bias = self.biases[:, :t, :t] + outside[:, None]  # (b, h, t, t)
        learned = torch.onnx.ops.attention(q, k, v, bias, q_num_heads=self.heads, kv_num_heads=self.heads)[0]
        x = x + self.out(learned)
        thought: Tensor = x + self.thought(self.between(x))
        return thought


class Last(nn.Module):
    """The last block, in which the last place alone asks."""

    keys: Tensor
    values: Tensor
    biases: Tensor

    def __init__(self, block: Block) -> None:
        super().__init__()
        attention = block.attention
        self.before, self.between, self.thought = block.before, block.between, block.thought
        d, h = attention.asks.in_features, attention.heads
        keys, values = attention.offers.weight.detach().view(2, h, d // h, d)
        self.heads, self.asks, self.out = h, attention.asks, attention.out
        self.register_buffer("keys", keys / math.sqrt(d // h))  # (h, d / h, d)
        self.register_buffer("values", values.transpose(1, 2).contiguous())  # (h, d, d / h)
        self.register_buffer("biases", attention.bias.detach().flip(1))  # (h, l)

    def forward(self, x: Tensor, outside: Tensor) -> Tensor:
        b, t, d = x.shape
        entered, x = self.before(x), x[:, -1]
        asked = self.asks(entered[:, -1]).view(b, self.heads, 1, d // self.heads) @ self.keys  # (b, h, 1, d)
        scores = asked.view(b, self.heads, d) @ entered.transpose(1, 2)  # (b, h, t)
        shares = (scores + (self.biases[:, -t:] + outside)).softmax(-1)
        learned = (shares @ entered).view(b, self.heads, 1, d) @ self.values  # (b, h, 1, d / h)
        x = x + self.out(learned.view(b, d))
        thought: Tensor = x + self.thought(self.between(x))
        return thought


def _joint(attention: Attention) -> nn.Linear:
    """Questions, keys and values in one go."""
    weights = torch.cat((attention.asks.weight.detach(), attention.offers.weight.detach()))
    joint = nn.Linear(weights.shape[1], weights.shape[0], bias=False)
    joint.weight = nn.Parameter(weights, requires_grad=False)
    return joint
