"""What was used of each view, and of each pair of views."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ViewReport:
    """One view of a request.

    Args:
        name: Name.
        rows: Rows received.
        truncated: Texts cut to fit the model.
        tokens: Tokens computed.
        model_digest: Digest of the model that made the rows; empty for pushed rows.
        data_digest: SHA-256 over ids and texts (or rows), in order.
        empty_rows: Words and spans without pieces, left out.
    """

    name: str
    rows: int
    truncated: int = 0
    tokens: int = 0
    model_digest: str = ""
    data_digest: str = ""
    empty_rows: int = 0


@dataclass(frozen=True)
class PairReport:
    """What a pair used and what it left out.

    Args:
        left: Name of the left view.
        right: Name of the right view.
        n: Rows used.
        left_only: Ids that only the left view has.
        right_only: Ids that only the right view has.
        examples: Some of them; with gold pairs some sources that are not covered.
        gold_sources: Unique sources of gold pairs.
        covered_sources: Number of sources for which both views have an answer.
    """

    left: str
    right: str
    n: int
    left_only: int = 0
    right_only: int = 0
    examples: tuple[str, ...] = ()
    gold_sources: int = 0
    covered_sources: int = 0
