"""Writers of corpora, one file a format: what they write is read back as the same examples.

    write_examples(examples, "out.conllu")

A writer raises ValueError, naming the example, for what its format cannot hold; the file appears when it is whole.
"""

from babelscope.corpora.writers.registry import WRITERS, write_examples

__all__ = ["WRITERS", "write_examples"]
