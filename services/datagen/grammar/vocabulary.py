"""A sub-word vocabulary of the grammar's own: stems, endings, and the syllables of invented names.

The forms of a concept are cut at what they have in common, so that a concept is one token in each language however it
is inflected, and names are cut into syllables, which are the same in all scripts. What comes out is a unigram model
(Kudo 2018) without marks of word boundaries: a word is cut alike in running text without spaces and by itself.

    python -m services.datagen.grammar.vocabulary FILE [SIZE]
"""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from services.datagen.grammar.concepts import FUTURE_YEARS, PAST_YEARS
from services.datagen.grammar.corpus import LANGUAGES, counted_forms, generate, language_of
from services.datagen.grammar.names import COUNTS, inventory, syllables

SPECIALS: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SIZE: Final = 15_000
_FORMS, _FORMS_SEED = 10_000, 7
"""Sentences whose forms are counted, and their seed: those of the dictionary that the model is trained with."""
_TEXTS, _TEXTS_SEED = 3000, 9
"""Sentences in which the words of no concept are counted, and their seed."""
_SYLLABLE, _YEAR, _FUNCTION_WORD = 2000, 40, 3
"""Counts of a syllable of names, of a year, and of each time that a word of no concept is written."""
_LETTER: Final = -20.0
"""Logarithm of the probability of a letter by itself: the last resort."""
_SHORTEST_STEM: Final = 2
_IDEOGRAMS: Final = "\u3000"


def vocabulary(size: int = SIZE) -> str:
    """tokenizer.json of the grammar's eight languages: letters are made small, words cut at stems.

    Args:
        size: Tokens at most; letters and syllables of names are kept in any case.
    """
    from tokenizers import Tokenizer, models

    pieces: Counter[str] = Counter({str(year): _YEAR for year in (*PAST_YEARS, *FUTURE_YEARS)})
    letters: set[str] = set()
    spelled: set[str] = set()
    for tag in LANGUAGES:
        pieces.update(_of_language(tag, letters))
        for kind in COUNTS:
            for key in inventory(kind):
                spelled.update(map(_normal, syllables(key, language_of(tag).script)))
    total = pieces.total()
    scores = {piece: math.log(count / total) for piece, count in pieces.items()}
    for piece in spelled:
        scores[piece] = max(scores.get(piece, -math.inf), math.log(_SYLLABLE / total))
    for letter in letters.union(*pieces, *spelled):
        scores.setdefault(letter, _LETTER)
    kept = {piece for piece in scores if len(piece) == 1 or piece in spelled}
    others = sorted(scores.keys() - kept, key=lambda piece: (-scores[piece], piece))
    kept.update(others[: max(0, size - len(kept) - len(SPECIALS))])
    ordered = sorted(kept, key=lambda piece: (-scores[piece], piece))
    make: Any = models  # untyped
    entries = [*((special, 0.0) for special in SPECIALS), *((piece, scores[piece]) for piece in ordered)]
    tokenizer = Tokenizer(make.Unigram(entries, unk_id=SPECIALS.index("[UNK]")))
    tokenizer.normalizer, tokenizer.pre_tokenizer = _normaliser(), _cutter()
    tokenizer.add_special_tokens(list(SPECIALS))
    text: str = tokenizer.to_str()
    return text


def _of_language(tag: str, letters: set[str]) -> Counter[str]:
    """Stems, endings and words of no concept, counted; `letters` gets the letters of a sample."""
    names = {key for kind in COUNTS for key in inventory(kind)}
    pieces: Counter[str] = Counter()
    known: set[str] = set()
    for concept, forms in counted_forms(tag, _FORMS, _FORMS_SEED).items():
        small = _counted(forms)
        known.update(small)
        if concept not in names:
            pieces.update(cut_forms(small))
    others: Counter[str] = Counter()
    for example in generate([tag], _TEXTS, _TEXTS_SEED):
        for word in example.content.words:  # type: ignore[union-attr]
            letters.update(_normal(word.form))
            if word.ner == "O":
                others.update(part for part in _parts(word.form) if part not in known)
    pieces.update({word: _FUNCTION_WORD * count for word, count in others.items() if count > 1})
    return pieces


def cut_forms(forms: Mapping[str, int]) -> Counter[str]:
    """The pieces of a concept's forms, counted: what they have in common, and what stands before and after it.

    Args:
        forms: How often each form is written.
    """
    pieces: Counter[str] = Counter()
    left = dict(forms)
    while left:
        top = max(left, key=lambda form: (left[form], form))
        stem = _common(left)
        least = _SHORTEST_STEM if top[0] < _IDEOGRAMS else 1
        if len(stem) < max(least, 0.5 * min(map(len, left))):
            stem = _best_part(top, left)
        for form in [form for form in left if stem in form]:
            count = left.pop(form)
            before, _, after = form.partition(stem)
            pieces.update(dict.fromkeys({before, after} - {""}, count))
            pieces[stem] += count
            if before and before == after:
                pieces[before] += count
    return pieces


def _common(forms: Iterable[str]) -> str:
    """The longest part that all forms have, the first of several."""
    shortest = min(forms, key=len)
    for length in range(len(shortest), 0, -1):
        for start in range(len(shortest) - length + 1):
            part = shortest[start : start + length]
            if all(part in form for form in forms):
                return part
    return ""


def _best_part(top: str, forms: Mapping[str, int]) -> str:
    """The part of a form, at least half of it, that covers most letters of all forms."""
    covered: Counter[str] = Counter()
    for length in range(max(_SHORTEST_STEM, len(top) // 2), len(top) + 1):
        for start in range(len(top) - length + 1):
            part = top[start : start + length]
            covered[part] = length * sum(count for form, count in forms.items() if part in form)
    return max(covered, key=lambda part: (covered[part], len(part), part)) if covered else top


def _counted(forms: Mapping[str, int]) -> Counter[str]:
    small: Counter[str] = Counter()
    for form, count in forms.items():
        for part in _parts(form):
            small[part] += count
    return small


def _parts(form: str) -> list[str]:
    return [part for part, _ in _cutter().pre_tokenize_str(_normal(form))]


def _normal(text: str) -> str:
    return str(_normaliser().normalize_str(text))


@cache
def _normaliser() -> Any:
    from tokenizers import normalizers

    make: Any = normalizers  # untyped
    return make.Sequence([make.NFC(), make.Lowercase()])


@cache
def _cutter() -> Any:
    from tokenizers import pre_tokenizers

    make: Any = pre_tokenizers  # untyped
    return make.Sequence([make.WhitespaceSplit(), make.Punctuation()])


def main() -> None:
    """Writes a tokenizer.json."""
    size = int(sys.argv[2]) if len(sys.argv) > 2 else SIZE
    Path(sys.argv[1]).write_text(vocabulary(size), encoding="utf-8")


if __name__ == "__main__":
    main()
