"""Telling formats from names and first lines."""

import gzip
from pathlib import Path

import pytest
from babelscope.corpora import FORMATS, find_format, read_texts
from babelscope.errors import CorpusError

CONLLU = "# sent_id = a\n1\tJa\tja\tINTJ\t_\t_\t0\troot\t_\t_\n\n"
IOB2 = "# sent_id = a\n1\tJa\tO\t-\t-\n\n"
SQUAD = '{"data": [{"paragraphs": [{"context": "c", "qas": [{"id": "a", "question": "q", "answers": []}]}]}]}'
XNLI = "label\tpremise\thypothesis\nneutral\tp\th\n"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.conllu", CONLLU, "conllu"),
        ("a", CONLLU, "conllu"),
        ("a.txt", CONLLU, "conllu"),
        ("a.conll", CONLLU, "conllu"),
        ("a.conll", "Ja UH O\n", "conll2003"),
        ("a.iob2", IOB2, "iob2"),
        ("a.dat", IOB2.replace("\tO", "\tS-PER"), "iob2"),
        ("a.dat", IOB2, "iob2"),
        ("test-sw.tsv", "Ana\tB-PER\nyuko\tO\n", "iob2"),
        ("sw", "Dar es\tB-LOC\nyuko\tO\n", "iob2"),
        ("a.tsv", "Ana\tB-PER\nyuko\thapa\n", "tsv"),
        ("a.tsv", "Ana\tO\nyuko\tO\n", "tsv"),
        ("a.json", SQUAD, "squad"),
        ("a", SQUAD, "squad"),
        ("a.tsv", XNLI, "xnli"),
        ("a", XNLI, "xnli"),
        ("a.tsv", "id\ten\n1\tone\n", "tsv"),
        ("a", "id\ten\tfr\n1\tone\tun\n", "tsv"),
        ("a.txt", "one\ntwo\n", "lines"),
        ("a", "x1\tone\nx2\ttwo\n", "lines"),
        ("tatoeba.fra-eng.eng", "one\n", "tatoeba"),
        ("a.txt", "{curly} words\n", "lines"),
        ("a.txt", "", "lines"),
    ],
)
def test_formats_are_told(tmp_path: Path, name: str, text: str, expected: str, packed: bool) -> None:
    path = tmp_path / (name + ".gz" if packed else name)
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert find_format(path).name == expected


@pytest.mark.parametrize("name", ["a.csv", "a.CSV.gz", "a.jsonl", "a.ndjson", "a.parquet"])
def test_rows_of_a_table_are_not_taken_for_texts(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("id,text\n1,one\n")
    with pytest.raises(CorpusError, match=f"`format` for a file of this name: hub:{tmp_path} reads it as a table"):
        find_format(path)
    assert [text.text for text in read_texts(path, format="lines")] == ["id,text", "1,one"]


def test_a_format_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("one\ttwo\n")
    assert find_format(path, "lines").name == "lines"
    with pytest.raises(
        CorpusError, match="one of tatoeba, conllu, iob2, conll2003, squad, xnli, tsv, hub, lines, but got 'csv'"
    ):
        find_format(path, "csv")


def test_names_are_unique_and_the_last_takes_everything() -> None:
    assert len({each.name for each in FORMATS}) == len(FORMATS)
    assert FORMATS[-1].by_head([])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"format": "lines", "column": "text"}, "`column` for format lines to be not to be given"),
        ({"format": "squad", "column": "answer"}, "one of question, context, but got 'answer'"),
        ({"format": "lines", "id_column": "#"}, "for format tsv or hub, but the format is lines"),
    ],
)
def test_options_that_a_format_does_not_know_are_refused(tmp_path: Path, options: dict[str, str], problem: str) -> None:
    path = tmp_path / "a"
    path.write_text("one\n")
    with pytest.raises(CorpusError, match=problem):
        read_texts(path, **options)  # type: ignore[arg-type]
