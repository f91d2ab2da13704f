"""White space of all kinds within the texts of every format: what is written is read back as it was."""

from pathlib import Path

import pytest
from babelscope.corpora import read_examples
from babelscope.corpora.writers import WRITERS, write_examples
from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word

SPACES = ("\u00a0", "\u2028", "\u0085", "\u3000", "\u200b", "\u200c", "\ufeff", "\x0b", "\x0c", "\x1c", " ", "  ")


def contents(space: str) -> dict[str, object]:
    text = f"a{space}b"
    words = (Word(text, ner="O"), Word("c", ner="O"))
    return {
        "lines": text,
        "tsv": text,
        "tatoeba": text,
        "xnli": TextPair(text, f"c{space}d", "neutral"),
        "squad": Question(text, f"{space}c", (Answer(text, 0),)),
        "conllu": Sentence((Word(text, head=0, deprel="root"), Word("c", head=1, deprel="x")), f"{text} c"),
        "iob2": Sentence(words, f"{text} c"),
    }


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", WRITERS)
def test_white_space_within_fields_is_text(tmp_path: Path, name: str, space: str) -> None:
    path = tmp_path / ("tatoeba.fra-eng.fra" if name == "tatoeba" else "corpus")
    given = Example("fra-eng:1" if name == "tatoeba" else "1", contents(space)[name], "fra")
    write_examples([given], path, format=name)
    (found,) = read_examples(path, format=name)
    assert found.content == given.content
