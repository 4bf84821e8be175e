"""Which items share words of their titles: an index made once of a table, and asked with one title.

Words are hashed. A word says the more the fewer titles have it; one that is in very many finds nobody, and counts
only where two titles are held against each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking.compiled import compiled
from serving.ranking.cooccurrence import by_item
from serving.ranking.tally import ballot, best, vote
from serving.ranking.texts import Texts

#: Of a title, the first words.
_WORDS: Final = 24
#: A word in more titles than that is not looked up, so that a question costs the same in every shop.
_COMMON: Final = 2_000


@dataclass(frozen=True, slots=True)
class Titles:
    vocabulary: NDArray[np.int32]  # (words,) their hashes, ascending
    weights: NDArray[np.float64]  # (words,)
    #: Word w is in the titles of `holding[holders[w]:holders[w + 1]]`.
    holders: NDArray[np.int64]  # (words + 1,)
    holding: NDArray[np.int32]
    #: Item i has the words of `words[starts[i]:starts[i + 1]]`, each once.
    words: NDArray[np.int32]
    starts: NDArray[np.int64]  # (items + 1,)

    @classmethod
    def of(cls, titles: Iterable[str]) -> Self:
        hashes, starts = _told(titles)
        vocabulary, told = np.unique(hashes, return_inverse=True)
        words = told.astype(np.int32)
        holders, places = by_item(words, len(vocabulary))
        owners = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
        weights = np.log1p((len(starts) - 1) / np.diff(holders))
        return cls(vocabulary, weights, holders, owners[places], words, starts)

    def grown(self, titles: Iterable[str]) -> Self:
        """The same with these behind it, as far as they have words that it knows; no word finds them."""
        hashes, starts = _told(titles)
        if not len(self.vocabulary):
            return replace(self, starts=np.concatenate((self.starts, np.zeros(len(starts) - 1, np.int64))))
        places = np.searchsorted(self.vocabulary, hashes).clip(max=len(self.vocabulary) - 1)
        known = self.vocabulary[places] == hashes
        ends = np.concatenate(([0], np.cumsum(known)))[starts[1:]]
        return replace(
            self,
            words=np.concatenate((self.words, places[known].astype(np.int32))),
            starts=np.concatenate((self.starts, len(self.words) + ends)),
        )

    def of_item(self, item: int) -> NDArray[np.int32]:
        return self.words[self.starts[item] : self.starts[item + 1]]

    def near(self, item: int, limit: int) -> NDArray[np.int32]:
        """The items that share most of its words, itself among them."""
        return _near(self.of_item(item), self.holders, self.holding, self.weights, limit)

    def likeness(self, item: int, others: NDArray[np.int32]) -> NDArray[np.float32]:
        """Of its title to those of the others: 1 where it has the same words, 0 where none of them."""
        return _likeness(self.of_item(item), others, self.words, self.starts, self.weights)


def _told(titles: Iterable[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    said = Texts.make(title.lower() for title in titles)
    return _hashed(said.run, said.starts)


@compiled
def _hashed(run: NDArray[np.uint8], starts: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The words of each text, and where those of each begin: runs of letters and digits."""
    words = np.empty(len(run) // 2 + len(starts), np.int32)
    begins = np.zeros(len(starts), np.int64)
    count = 0
    for text in range(len(starts) - 1):
        first = count
        at = starts[text]
        while at < starts[text + 1] and count - first < _WORDS:
            begin, code = at, np.uint32(2_166_136_261)  # Fowler, Noll and Vo's hash
            while at < starts[text + 1] and _in_word(run[at]):
                code = np.uint32((code ^ np.uint32(run[at])) * np.uint32(16_777_619))
                at += 1
            new = at > begin
            at += 1
            word = np.int32(code >> np.uint32(1))
            for earlier in words[first:count]:
                new &= earlier != word
            if new:
                words[count] = word
                count += 1
        begins[text + 1] = count
    return words[:count].copy(), begins


@compiled
def _in_word(byte: int) -> bool:
    """ASCII letters and digits, and whatever lies beyond ASCII."""
    return byte >= 128 or 48 <= byte <= 57 or 97 <= byte <= 122


@compiled
def _near(
    words: NDArray[np.int32],
    holders: NDArray[np.int64],
    holding: NDArray[np.int32],
    weights: NDArray[np.float64],
    limit: int,
) -> NDArray[np.int32]:
    most = 0
    for word in words:
        if holders[word + 1] - holders[word] <= _COMMON:
            most += holders[word + 1] - holders[word]
    table, known, sums, strongest = ballot(most)
    count = 0
    for at in range(len(words)):
        word = words[at]
        if holders[word + 1] - holders[word] <= _COMMON:
            for to in range(holders[word], holders[word + 1]):
                count = vote(table, known, sums, strongest, count, int(holding[to]), weights[word] ** 2, at)
    found, _ = best(known[:count], sums[:count], limit)
    return found


@compiled
def _likeness(
    words: NDArray[np.int32],
    items: NDArray[np.int32],
    theirs: NDArray[np.int32],
    starts: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.float32]:
    """The cosine of the words' weights."""
    own = 0.0
    for word in words:
        own += weights[word] ** 2
    found = np.zeros(len(items), np.float32)
    for at in range(len(items)):
        shared, length = 0.0, 0.0
        for word in theirs[starts[items[at]] : starts[items[at] + 1]]:
            length += weights[word] ** 2
            for asked in words:
                if asked == word:
                    shared += weights[word] ** 2
        if shared > 0.0:
            found[at] = shared / np.sqrt(own * length)
    return found
