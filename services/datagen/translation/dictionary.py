"""Word-by-word translation with a bilingual dictionary: no model, no download, the default."""

from collections.abc import Callable, Iterable, Iterator

from services.datagen.text.edits import Edit, Edits
from services.datagen.translation.base import Translated
from services.runtime.text.lexicon import Dictionary, Lexicon
from services.runtime.text.words import is_unspaced, with_case_of

Lookup = Callable[[str, str], Dictionary]


class DictionaryTranslator:
    """Replaces each word of the dictionary by its best translation; other words and punctuation stay.

    The longest entry wins, for entries of several words and scripts without spaces. Words keep their case. Where the
    target is written with spaces, a space is put between words that stood side by side in an unspaced script; where it
    is written without, spaces between two words of its script are left out.

    Args:
        lookup: Finds the dictionary of a pair of languages.
        name: Name of the system.
    """

    def __init__(self, lookup: Lookup, name: str) -> None:
        self._lookup, self._name = lookup, name
        self._open: dict[tuple[str, str], tuple[Dictionary, Lexicon]] = {}

    @property
    def name(self) -> str:
        """What it is, for the record."""
        return self._name

    def translate(self, texts: Iterable[str], source: str, target: str) -> Iterator[Translated]:
        """Translates a stream text by text.

        Raises:
            NotFound: There is no dictionary for these languages.
        """
        key = source, target
        if key not in self._open:
            dictionary = self._lookup(source, target)
            self._open[key] = dictionary, Lexicon(dictionary.sources(), source)
        dictionary, lexicon = self._open[key]
        for text in texts:
            yield _translated(text, dictionary, lexicon, target)


def _translated(text: str, dictionary: Dictionary, lexicon: Lexicon, target: str) -> Translated:
    edits: list[Edit] = []
    words = unknown = 0
    last_end, last = 0, ""
    for (start, end), count, known in lexicon.matches(text):
        words += count
        old = text[start:end]
        offers = dictionary.translations(old) if known else ()
        if not offers:
            unknown += count
        new = with_case_of(old, offers[0][0], target) if offers else old
        gap = text[last_end:start]
        if last and new and not gap.strip():
            joint = _joint(last[-1], new[0], gap)
            if joint != gap:
                edits.append(Edit(last_end, start, joint))
        if new != old:
            edits.append(Edit(start, end, new))
        last_end, last = end, new
    return Translated(Edits(text, edits).text, words, unknown)


def _joint(left: str, right: str, gap: str) -> str:
    """What stands between two words: no space within an unspaced script, else at least one."""
    if is_unspaced(left) and is_unspaced(right):
        return "" if gap == " " else gap
    return gap or " "
