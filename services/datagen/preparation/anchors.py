"""Anchors: what two tokenised corpora share (Conneau, Wu et al. 2020, section 4.2)."""

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Anchors:
    """What two corpora share.

    Attributes:
        left_types: Distinct tokens of the first.
        right_types: Distinct tokens of the second.
        shared_types: Distinct tokens of both.
        left_tokens: Tokens of the first.
        right_tokens: Tokens of the second.
        left_shared: Tokens of the first whose type is shared.
        right_shared: Tokens of the second whose type is shared.
    """

    left_types: int
    right_types: int
    shared_types: int
    left_tokens: int
    right_tokens: int
    left_shared: int
    right_shared: int

    @property
    def type_share(self) -> float:
        """Shared types over the types of either: |A and B| / |A or B|."""
        return self.shared_types / (self.left_types + self.right_types - self.shared_types)

    @property
    def token_share(self) -> float:
        """Tokens of shared types over all tokens of both corpora."""
        return (self.left_shared + self.right_shared) / (self.left_tokens + self.right_tokens)


def compare(left: Counter[str], right: Counter[str]) -> Anchors:
    """What two corpora share, by the counts of their tokens."""
    shared = left.keys() & right.keys()
    return Anchors(
        left_types=len(left),
        right_types=len(right),
        shared_types=len(shared),
        left_tokens=left.total(),
        right_tokens=right.total(),
        left_shared=sum(left[token] for token in shared),
        right_shared=sum(right[token] for token in shared),
    )
