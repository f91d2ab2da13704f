"""Sentences of the grammar that no model was trained on."""

from collections.abc import Sequence

from babelscope import Mesh, Text
from babelscope.data.examples import Sentence

SEED = 424_242
"""A seed of which no training text is made."""


def held_out(mesh: Mesh, languages: Sequence[str], size: int, *, domain: str = "everyday") -> dict[str, list[Text]]:
    """Parallel sentences by language."""
    found: dict[str, list[Text]] = {language: [] for language in languages}
    for example in mesh.datagen.generate_corpus(languages, size, seed=SEED, domain=domain):
        assert isinstance(example.content, Sentence)
        found[example.language].append(Text(example.id, example.content.text, language=example.language))
    return found
