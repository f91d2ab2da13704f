"""Readers of corpora in the formats that people have, plain or gzip.

    read_texts("pud/fr.conllu.gz", language="fr")           # a list of Text
    read_parallel({"en": "en.tsv", "fr": "fr.tsv"})         # aligned by id

A format is one file in this folder and one line in `registry.FORMATS`.
"""

from babelscope.corpora.options import Options
from babelscope.corpora.parallel import ParallelCorpus, read_parallel
from babelscope.corpora.reading import read_examples, read_texts, stream_texts
from babelscope.corpora.registry import FORMATS, Format, find_format
from babelscope.corpora.units import answers_text, read_units, words_text
from babelscope.corpora.word_vectors import WordVectors, read_word_vectors
from babelscope.corpora.words import WordPairs, as_words, read_word_pairs, read_words
from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word

__all__ = [
    "FORMATS",
    "Answer",
    "Example",
    "Format",
    "Options",
    "ParallelCorpus",
    "Question",
    "Sentence",
    "TextPair",
    "Word",
    "WordPairs",
    "WordVectors",
    "answers_text",
    "as_words",
    "find_format",
    "read_examples",
    "read_parallel",
    "read_texts",
    "read_units",
    "read_word_pairs",
    "read_word_vectors",
    "read_words",
    "stream_texts",
    "words_text",
]
