"""Cross entropy of the next item against a sample of the catalogue, as if it were the whole of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class SampledSoftmax(torch.autograd.Function):
    """-log p(target), p over the target and k sampled items whose logits are corrected by their log odds of it.

    Written out because the (n, k) logits are most of the work: they are made once and turned in place into
    probabilities, which are all that the gradient needs.
    """

    @staticmethod
    def forward(
        ctx: Any, sessions: Tensor, targets: Tensor, sample: Tensor, odds: Tensor, hits: Tensor, half: bool
    ) -> Tensor:
        """sessions (n, d) times temperature, targets (n, d), sample (k, d), odds (k,): log of the expected draws.

        `hits` (m, 2) are the places in (n, k) that hold no wrong answer: the target itself, or what is barred.
        """
        narrow = torch.bfloat16 if half else sessions.dtype
        logits = (sessions.to(narrow) @ sample.to(narrow).T).to(sessions.dtype).sub_(odds)
        logits[hits[:, 0], hits[:, 1]] = -1e9
        right = (sessions * targets).sum(1)
        most = torch.maximum(logits.amax(1), right)
        shares = logits.sub_(most[:, None]).exp_()
        share = (right - most).exp()
        total = shares.sum(1) + share
        shares.div_(total[:, None])
        ctx.save_for_backward(sessions, targets, sample, shares, share / total)
        ctx.narrow = narrow
        return total.log() + most - right

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        [gradient] = gradients
        sessions, targets, sample, shares, share = ctx.saved_tensors
        wide, narrow = sessions.dtype, ctx.narrow
        pulls = (shares * gradient[:, None]).to(narrow)
        push = ((share - 1) * gradient)[:, None]
        to_sessions = (pulls @ sample.to(narrow)).to(wide) + push * targets
        to_sample = (pulls.T @ sessions.to(narrow)).to(wide)
        return to_sessions, push * sessions, to_sample, None, None, None
