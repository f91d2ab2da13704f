"""Many short texts, all different, in the words of the tiny models."""

from tests.support.models import WORDS


def numbered(count: int) -> list[str]:
    """Texts that spell their own number, with tails of several lengths."""
    texts = []
    for number in range(count):
        digits = [WORDS[(number >> shift) & 15] for shift in (12, 8, 4, 0)]
        texts.append(" ".join([*digits, *WORDS[: number % 11]]))
    return texts


TEXTS = numbered(6000)
