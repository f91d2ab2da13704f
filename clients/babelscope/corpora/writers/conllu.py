"""CoNLL-U: words with their annotation, ids as `# sent_id`, the raw sentence as `# text`."""

from collections.abc import Iterable
from typing import TextIO

from babelscope.corpora.conllu import NO_SPACE
from babelscope.corpora.writers.checks import comments, content_of, field
from babelscope.data.examples import Example, Sentence


def write(examples: Iterable[Example], file: TextIO) -> None:
    """Writes one block an example; multi-word tokens, split by the reader, stay split.

    Raises:
        ValueError: An example is no sentence in words, a field has a tab or an end of a line in it, or a comment does
            not start with `#`.
    """
    for example in examples:
        sentence = content_of(example, Sentence, "conllu")
        file.write(f"# sent_id = {field(example, example.id)}\n")
        if sentence.text:
            file.write(f"# text = {field(example, sentence.text)}\n")
        for comment in comments(example):
            file.write(comment + "\n")
        for number, word in enumerate(sentence.words, start=1):
            columns = (
                str(number),
                word.form,
                word.lemma or "_",
                word.upos or "_",
                word.xpos or "_",
                word.feats or "_",
                "_" if word.head is None else str(word.head),
                word.deprel or "_",
                word.deps or "_",
                "|".join(part for part in (word.misc, "" if word.space_after else NO_SPACE) if part) or "_",
            )
            file.write("\t".join(field(example, column) for column in columns) + "\n")
        file.write("\n")
