"""The multilingual grammar: how long its words take to read, sentences a second written and parsed back, word forms."""

import time

from benchmarks.rows import Row, row
from services.datagen.grammar.concepts import concepts
from services.datagen.grammar.corpus import DOMAINS, LANGUAGES, generate, language_of
from services.datagen.grammar.parse import parse


def run(*, quick: bool = False) -> list[Row]:
    """Writes sentences in all languages and domains; parses some back."""
    size = 200 if quick else 2000
    concepts.cache_clear()
    language_of.cache_clear()
    began = time.perf_counter()
    list(generate((), 1))  # word lists are read once
    rows = [row("grammar", f"word lists read, {len(LANGUAGES)} languages", time.perf_counter() - began, "s")]
    began = time.perf_counter()
    examples = [one for domain in DOMAINS for one in generate((), size, domain=domain)]
    writing = len(examples) / (time.perf_counter() - began)
    rows.append(row("grammar", f"sentences written, {len(LANGUAGES)} languages", writing, "1/s"))
    for tag in LANGUAGES:
        known = {
            word.form.lower()
            for one in examples
            if one.language == tag
            for word in one.content.words
            if word.ner == "O" and word.upos not in {"NUM", "PUNCT"}
        }
        rows.append(row("grammar", f"{tag}: word forms in {len(DOMAINS) * size} sentences", len(known), "forms"))
        sample = [[word.form for word in one.content.words] for one in examples[:size] if one.language == tag]
        began = time.perf_counter()
        parse(language_of(tag), sample[0])  # tables are made once
        rows.append(row("grammar", f"{tag}: tables for parsing made", time.perf_counter() - began, "s"))
        began = time.perf_counter()
        unique = sum(len(parse(language_of(tag), forms)) == 1 for forms in sample)
        rate = len(sample) / (time.perf_counter() - began)
        rows.append(row("grammar", f"{tag}: parsed back", rate, "1/s"))
        rows.append(row("grammar", f"{tag}: sentences with one reading", unique / len(sample), "share", at_least=1))
    return rows
