"""CoNLL-U: words with their annotation, ids as `# sent_id`, the raw sentence as `# text`."""

from collections.abc import Iterable
from typing import TextIO

from babelscope.corpora.writers.checks import content_of, field
from babelscope.data.examples import Example, Sentence


def write(examples: Iterable[Example], file: TextIO) -> None:
    """Writes one block an example; multi-word tokens, split by the reader, stay split.

    Raises:
        ValueError: An example is no sentence in words, or a field has a tab or an end of a line in it.
    """
    for example in examples:
        sentence = content_of(example, Sentence, "conllu")
        file.write(f"# sent_id = {field(example, example.id)}\n")
        if sentence.text:
            file.write(f"# text = {field(example, sentence.text)}\n")
        for number, word in enumerate(sentence.words, start=1):
            columns = (
                str(number),
                word.form,
                word.lemma or "_",
                word.upos or "_",
                "_",
                word.feats or "_",
                "_" if word.head is None else str(word.head),
                word.deprel or "_",
                "_",
                "_" if word.space_after else "SpaceAfter=No",
            )
            file.write("\t".join(field(example, column) for column in columns) + "\n")
        file.write("\n")
