"""The multilingual grammar: sentences a second written, and parsed back."""

import time

from benchmarks.rows import Row, row
from services.datagen.grammar.corpus import LANGUAGES, generate, language_of
from services.datagen.grammar.parse import parse


def run(*, quick: bool = False) -> list[Row]:
    """Writes sentences in all languages; parses some back."""
    size = 200 if quick else 2000
    list(generate((), 10))  # word lists are read once
    began = time.perf_counter()
    examples = list(generate((), size))
    writing = len(examples) / (time.perf_counter() - began)
    rows = [row("grammar", f"sentences written, {len(LANGUAGES)} languages", writing, "1/s")]
    for tag in LANGUAGES:
        sample = [[word.form for word in one.content.words] for one in examples[:size] if one.language == tag]
        parse(language_of(tag), sample[0])  # tables are made once
        began = time.perf_counter()
        unique = sum(len(parse(language_of(tag), forms)) == 1 for forms in sample)
        rate = len(sample) / (time.perf_counter() - began)
        rows.append(row("grammar", f"{tag}: parsed back", rate, "1/s"))
        rows.append(row("grammar", f"{tag}: sentences with one reading", unique / len(sample), "share", at_least=1))
    return rows
