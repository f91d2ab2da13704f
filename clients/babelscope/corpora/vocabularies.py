"""Sub-word vocabularies as datasets: the JSON that Hugging Face `tokenizers` writes, in running texts of bounded size.

A vocabulary of one language carries its tag; a joint one carries none. So vocabularies are stored, named by their
digest and moved as all datasets are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from babelscope.data.examples import Example

PART_CHARACTERS: Final = 1 << 18
FILE: Final = "tokenizer.json"


def to_examples(description: str, language: str = "") -> Iterator[Example]:
    """Yields the parts of a vocabulary, in order.

    Args:
        description: The tokenizer as JSON.
        language: BCP 47 tag of its language; empty for a joint vocabulary.
    """
    for number, start in enumerate(range(0, len(description), PART_CHARACTERS)):
        yield Example(f"{FILE}:{number}", description[start : start + PART_CHARACTERS], language)


def from_examples(examples: Iterable[Example]) -> dict[str, str]:
    """The vocabularies of a dataset: JSON by language, in the order of the languages' tags.

    Raises:
        ValueError: An example is no part of a vocabulary, or a part is missing.
    """
    parts: dict[str, list[str]] = {}
    for example in examples:
        known = parts.setdefault(example.language, [])
        if example.id != f"{FILE}:{len(known)}" or not isinstance(example.content, str):
            raise ValueError(f"Expected part {FILE}:{len(known)} of a vocabulary, but got example {example.id!r}")
        known.append(example.content)
    return {language: "".join(parts[language]) for language in sorted(parts)}


def join_tokens(
    parts: Mapping[str, Sequence[str]], specials: Sequence[str], *, prefixed: bool = False
) -> dict[str, tuple[str, ...]]:
    """The tokens of several languages as those of one vocabulary (Conneau, Wu et al. 2020, section 4.2).

    Args:
        parts: Tokens by language, in the order of their ids.
        specials: Tokens that all languages share in any case.
        prefixed: Each other token gets its language before it, `en:the`, so that no two languages share one.

    Returns:
        For each language, in the order of the tags, the names of its tokens in the joined vocabulary; `numbered` gives
        them ids.
    """
    return {
        language: tuple(
            token if token in specials or not prefixed else f"{language}:{token}" for token in parts[language]
        )
        for language in sorted(parts)
    }


def numbered(names: Mapping[str, Sequence[str]], specials: Sequence[str]) -> dict[str, int]:
    """Ids of all tokens of a joined vocabulary: special ones first, then the others where they first appear."""
    ids = {token: place for place, token in enumerate(specials)}
    for tokens in names.values():
        for token in tokens:
            ids.setdefault(token, len(ids))
    return ids
