"""IOB2 in five columns: number, form, entity tag, and two of bookkeeping."""

from collections.abc import Iterable
from typing import TextIO

from babelscope.corpora.writers.checks import comments, content_of, field
from babelscope.data.examples import Example, Sentence


def write(examples: Iterable[Example], file: TextIO) -> None:
    """Writes one block an example; a word without a tag is `O`.

    Raises:
        ValueError: An example is no sentence in words, a field has a tab or an end of a line in it, or a comment does
            not start with `#`.
    """
    for example in examples:
        sentence = content_of(example, Sentence, "iob2")
        file.write(f"# sent_id = {field(example, example.id)}\n")
        if sentence.text:
            file.write(f"# text = {field(example, sentence.text)}\n")
        for comment in comments(example):
            file.write(comment + "\n")
        for number, word in enumerate(sentence.words, start=1):
            file.write(f"{number}\t{field(example, word.form)}\t{field(example, word.ner) or 'O'}\t-\t-\n")
        file.write("\n")
