"""Datasets of the hub by name: columns to examples, on folders of data files as the hub holds them; no network."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from babelscope.corpora import Answer, Example, Options, Question, Sentence, TextPair, Word, read_examples, read_texts
from babelscope.corpora.hub import Reference, parse
from babelscope.corpora.hub_columns import find_columns
from babelscope.errors import CorpusError

pytest.importorskip("datasets", reason="extra `hub` is not installed")

Make = Callable[..., str]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a dataset as its owner would: rows in a file a split."""

    def write(name: str = "set", **splits: Sequence[dict[str, Any]]) -> str:
        folder = tmp_path / name
        folder.mkdir()
        for split, rows in splits.items():
            lines = [json.dumps(row, ensure_ascii=False) for row in rows]
            (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return f"hub:{folder}"

    return write


@pytest.fixture
def parquet(tmp_path: Path) -> Make:
    """Writes a dataset with typed columns as Parquet."""

    def write(columns: dict[str, Any], classes: dict[str, list[str]], **features: Any) -> str:
        import datasets

        kinds = {
            name: datasets.Sequence(datasets.ClassLabel(names=names))
            if isinstance(columns[name][0], list)
            else datasets.ClassLabel(names=names)
            for name, names in classes.items()
        }
        table = datasets.Dataset.from_dict(columns)
        table = table.cast(datasets.Features({**table.features, **kinds, **features}))
        folder = tmp_path / "typed" / "data"
        folder.mkdir(parents=True)
        table.to_parquet(folder / "test-00000-of-00001.parquet")
        return f"hub:{folder.parent}"

    return write


def read(reference: str, **options: str) -> list[Example]:
    return list(read_examples(reference, options=Options(**options)))


def test_questions(make: Make) -> None:
    rows = [
        {"id": "q1", "title": "t", "context": "a cat", "question": "who?", "answers": answers}
        for answers in (
            {"text": ["cat", "a cat"], "answer_start": [2, 0]},
            {"text": [], "answer_start": []},
            [{"text": "a", "answer_start": 0}],
        )
    ]
    for row, answers in zip(rows, [(Answer("cat", 2), Answer("a cat", 0)), (), (Answer("a", 0),)], strict=True):
        reference = make(row["answers"].__class__.__name__ + str(len(answers)), validation=[row])
        [example] = read(reference, language="en")
        assert example == Example("q1", Question("a cat", "who?", answers), "en", 1, {"split": "validation"})


def test_paragraphs_are_told_by_their_contexts(make: Make) -> None:
    answers = {"text": ["a"], "answer_start": [0]}
    rows = [{"context": c, "question": "?", "answers": answers} for c in ("a", "a", "ab", "a")]
    found = [one.content for one in read(make(train=rows))]
    assert [one.paragraph for one in found if isinstance(one, Question)] == [0, 0, 1, 2]


def test_pairs_with_classes_by_their_names(parquet: Make) -> None:
    columns = {"premise": ["a", "b", "c"], "hypothesis": ["x", "y", "z"], "label": [2, 0, -1]}
    found = read(parquet(columns, {"label": ["entailment", "neutral", "contradiction"]}), language="fr")
    assert [one.id for one in found] == ["test-1", "test-2", "test-3"]
    assert [one.content for one in found] == [
        TextPair("a", "x", "contradiction"),
        TextPair("b", "y", "entailment"),
        TextPair("c", "z", ""),
    ]


def test_words_with_tags_and_trees(parquet: Make) -> None:
    columns = {
        "idx": ["s1"],
        "text": ["Ada schläft"],
        "tokens": [["Ada", "schläft"]],
        "upos": [[1, 0]],
        "head": [["2", "0"]],
        "deprel": [["nsubj", "root"]],
        "lemmas": [["Ada", "_"]],
        "feats": [["Number=Sing", "None"]],
        "ner_tags": [[1, 0]],
    }
    [example] = read(parquet(columns, {"upos": ["VERB", "PROPN"], "ner_tags": ["O", "B-PER"]}))
    words = (
        Word("Ada", "PROPN", 2, "nsubj", "B-PER", "Ada", "Number=Sing"),
        Word("schläft", "VERB", 0, "root", "O", "", ""),
    )
    assert example == Example("s1", Sentence(words, "Ada schläft"), "", 1, {"split": "test"})


def test_words_alone_have_no_heads(make: Make) -> None:
    [example] = read(make(train=[{"tokens": ["a", "b"], "ner_tags": ["B-LOC", "O"]}]))
    assert example.content == Sentence((Word("a", ner="B-LOC"), Word("b", ner="O")), "a b")


def test_translations_are_parallel(make: Make) -> None:
    reference = make(train=[{"id": "7", "translation": {"fr": "chat", "en": "cat"}}])
    assert [(one.id, one.language, one.content) for one in read(reference)] == [("7", "en", "cat"), ("7", "fr", "chat")]
    assert [one.content for one in read(reference, language="fr")] == ["chat"]


def test_texts_of_one_language_and_of_the_column_asked_for(make: Make) -> None:
    reference = make(train=[{"text": "cat", "lang": "en", "body": "b1"}, {"text": "chat", "lang": "fr", "body": "b2"}])
    assert [(one.id, one.language) for one in read(reference)] == [("train-1", "en"), ("train-2", "fr")]
    assert [one.content for one in read(reference, language="fr")] == ["chat"]
    assert [one.content for one in read(reference, column="body")] == ["b1", "b2"]
    assert [one.id for one in read(reference, id_column="body")] == ["b1", "b2"]
    assert [text.text for text in read_texts(reference, language="fr")] == ["chat"]


def test_parts_by_the_users_names(make: Make) -> None:
    reference = make(train=[{"un": "a", "deux": "b", "id": "1"}])
    [example] = read(reference, column="premise=un,hypothesis=deux", id_column="#")
    assert (example.id, example.content) == ("train-1", TextPair("a", "b"))


def test_a_split_of_several_is_named(make: Make) -> None:
    reference = make(train=[{"text": "a"}], test=[{"text": "b"}])
    assert [one.content for one in read(f"{reference}::test")] == ["b"]
    with pytest.raises(CorpusError, match=r"Expected a split, .*one of train, test, but got none"):
        read(reference)
    with pytest.raises(CorpusError, match="one of train, test, but got 'dev'"):
        read(f"{reference}::dev")
    with pytest.raises(CorpusError, match="cannot be had"):
        read(f"{reference}:french:test")


@pytest.mark.parametrize(
    ("row", "options", "problem"),
    [
        ({"review": "a"}, {}, "Expected columns of .* but got review"),
        ({"text": "a"}, {"column": "body"}, "Expected a column among text, but got 'body'"),
        ({"text": "a"}, {"column": "premis=text"}, "Expected a part among .* but got 'premis'"),
        ({"text": "a"}, {"column": "premise=text,words=text"}, "parts of one kind"),
        ({"text": "a"}, {"column": "premise=text"}, "Expected columns of pair: premise, hypothesis, but got text"),
        ({"text": "a"}, {"id_column": "key"}, "Expected `id_column` among text"),
        ({"text": 3}, {}, ":1: Expected a text in column 'text', but got '3'"),
        ({"tokens": []}, {}, "at least one word"),
        ({"tokens": ["a"], "upos": ["X", "Y"]}, {}, "one value a word in column 'upos'"),
        ({"tokens": ["a"], "head": ["first"]}, {}, "positions from 1"),
        ({"context": "a", "question": "b", "answers": "c"}, {}, "`text` and `answer_start` in column 'answers'"),
        ({"translation": "a"}, {}, "a text for each language"),
    ],
)
def test_what_does_not_fit_is_named(make: Make, row: dict[str, Any], options: dict[str, str], problem: str) -> None:
    with pytest.raises(CorpusError, match=problem):
        read(make(train=[row]), **options)


def test_a_broken_file_is_an_error_of_the_corpus(make: Make, tmp_path: Path) -> None:
    reference = make(train=[{"text": "a"}])
    (tmp_path / "set" / "train.jsonl").write_text('{"text": "a"}\n{"te', encoding="utf-8")
    with pytest.raises(CorpusError, match="cannot be had"):
        read(reference)


def test_rows_come_while_they_are_read(make: Make) -> None:
    rows = iter(read_examples(make(train=[{"text": str(number)} for number in range(5)])))
    assert next(rows).content == "0"
    rows.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["hub:", "hub:a:b:c:d"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(CorpusError, match="Expected hub:NAME"):
        parse(Path(text))
    assert parse(Path("hub:a/b:c")) == Reference("a/b", "c")


def test_classes_without_names_are_text() -> None:
    columns = find_columns(["premise", "hypothesis", "label"], {}, "")
    [(_, pair)] = columns.contents({"premise": "a", "hypothesis": "b", "label": 1}, lambda context: 0)
    assert pair == TextPair("a", "b", "1")


@pytest.mark.parametrize("missing", [True, False], ids=["no package", "no hub"])
def test_a_hub_that_is_not_there_is_one_clear_line(tmp_path: Path, missing: bool) -> None:
    """By the command, in a process without a network, or without the package."""
    code = "import sys; from babelscope.cli import run; "
    if missing:
        code += "sys.modules['datasets'] = None; "
    code += "sys.exit(run(['datasets', 'put', 'hub:nobody/nothing', '--store', sys.argv[1]]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "store")],
        capture_output=True,
        text=True,
        env={"PATH": "", "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path), "PYTHONPATH": "clients:."},
        check=False,
    )
    assert done.returncode == 1
    *_, line = done.stderr.strip().splitlines()
    assert "extra `hub`" in line if missing else "cannot be had" in line
    assert "Traceback" not in done.stderr


def test_fields_of_csv_are_text(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.csv").write_text(
        'id,premise,hypothesis,label\nNA,a,b,NA\n2,null,1e3,neutral\n007,"x, y",nan,1\n', encoding="utf-8"
    )
    found = list(read_examples(f"hub:{tmp_path / 'set'}"))
    assert [(example.id, example.content) for example in found] == [
        ("NA", TextPair("a", "b", "NA")),
        ("2", TextPair("null", "1e3", "neutral")),
        ("007", TextPair("x, y", "nan", "1")),
    ]


def test_fields_between_tabs_are_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.tsv").write_text('id\ttext\nNA\t"a\n2\tb "c"\n', encoding="utf-8")
    assert [(each.id, each.content) for each in read(f"hub:{tmp_path / 'set'}")] == [("NA", '"a'), ("2", 'b "c"')]


def test_files_of_csv_with_their_columns_in_another_order(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train-0.csv").write_text('\ufeffid,text\r\n1,"a\nb"\r\n\r\n', encoding="utf-8")
    (tmp_path / "set" / "train-1.csv.gz").write_bytes(gzip.compress(b"text,id\nnull,01\n"))
    assert [(each.id, each.content) for each in read(f"hub:{tmp_path / 'set'}")] == [("1", "a\nb"), ("01", "null")]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("id,text\n1,a,b\n", 2, "Expected 2 fields as on the first line, but got 3"),
        ("id,text\n1,a\n2\n", 3, "Expected 2 fields as on the first line, but got 1"),
        ("id,text,text\n1,a,b\n", 1, "Expected each column once, but got id, text, text"),
        ('id,text\n1,"a\n', 2, "Expected a table, but got: unexpected end of data"),
        ('id,text\n1,"a" b\n', 2, "Expected a table, but got"),
        ("id,text\n1,\xe9\n", 0, "codec can't decode"),
    ],
)
def test_csv_of_another_shape_is_refused(tmp_path: Path, text: str, line: int, problem: str) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.csv").write_text(text, encoding="latin-1")
    with pytest.raises(CorpusError, match=problem) as raised:
        read(f"hub:{tmp_path / 'set'}")
    assert raised.value.line == line


def test_files_of_csv_with_other_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train-0.csv").write_text("id,text\n1,a\n", encoding="utf-8")
    (tmp_path / "set" / "train-1.csv").write_text("id,content\n2,b\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"Expected the columns id, text, but .*train-1\.csv has id, content"):
        read(f"hub:{tmp_path / 'set'}")


@pytest.mark.parametrize("value", ["a\\ud800", "\\udc00", "\\ud83d \\ude00"])
@pytest.mark.parametrize("form", ['{"id": "1", "text": "%s"}\n', '[{"id": "1", "text": "%s"}]'])
def test_half_a_surrogate_pair_is_refused(tmp_path: Path, form: str, value: str) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.json").write_text(form % value, encoding="utf-8")
    with pytest.raises(CorpusError, match="surrogate"):
        read(f"hub:{tmp_path / 'set'}")


@pytest.mark.parametrize(
    ("given", "found"), [([1, 2], ["1", "2"]), ([1.0, 2.5], ["1", "2.5"]), (["007", "NA"], ["007", "NA"])]
)
def test_whole_numbers_that_were_stored_as_fractions(make: Make, given: list[Any], found: list[str]) -> None:
    name = make(train=[{"id": value, "premise": "a", "hypothesis": "b", "label": value} for value in given])
    examples = read(name)
    assert [each.id for each in examples] == found
    assert [each.content.label for each in examples if isinstance(each.content, TextPair)] == found


def test_ids_that_were_read_as_times_are_refused(make: Make) -> None:
    name = make(train=[{"id": "2020-01-01", "text": "a"}])  # which the reader of JSON turns into a time
    with pytest.raises(CorpusError, match="Expected ids as text or numbers in column 'id', but got a datetime"):
        read(name)


def test_a_row_without_a_language_is_of_the_one_asked_for(make: Make) -> None:
    rows = [{"id": "1", "language": None, "text": "a"}, {"id": "2", "language": "fra", "text": "b"}]
    name = make(train=[*rows, {"id": "3", "language": "de", "text": "c"}])
    assert [(each.id, each.language) for each in read(name, language="fr")] == [("1", "fr"), ("2", "fra")]
    assert [each.language for each in read(name)] == ["", "fra", "de"]


@pytest.mark.parametrize("value", [None, ""])
def test_a_row_without_an_id_is_refused(make: Make, value: str | None) -> None:
    name = make(train=[{"id": "a", "text": "one"}, {"id": value, "text": "two"}])
    with pytest.raises(CorpusError, match="Expected an id in column 'id'") as raised:
        list(read_examples(name))
    assert raised.value.line == 2
    assert [example.id for example in read_examples(name, options=Options(id_column="#"))] == ["train-1", "train-2"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"tokens": ["2020-01-01", "2020-01-02"], "ner_tags": ["O", "O"]}, "texts or numbers in column 'tokens', but"),
        (
            {"premise": "a", "hypothesis": "b", "label": "2020-01-01"},
            "texts or numbers in column 'label', but got a dat",
        ),
        ({"tokens": ["a", None], "ner_tags": ["O", "O"]}, "none that is empty in column 'tokens'"),
        ({"tokens": ["a", " "], "ner_tags": ["O", "O"]}, "none that is empty in column 'tokens'"),
        ({"tokens": [], "ner_tags": []}, "at least one word, and none that is empty"),
    ],
)
def test_words_and_labels_that_are_no_text_are_refused(make: Make, row: dict[str, Any], problem: str) -> None:
    """The package `datasets` makes times of texts that look like some, where a whole column does."""
    with pytest.raises(CorpusError, match=problem):
        read(make(train=[row]))


def test_ids_that_a_table_holds_as_fractions_too_large_to_be_exact_are_refused(parquet: Make) -> None:
    columns = {"id": [2.0, 9007199254740994.0], "text": ["a", "b"]}
    with pytest.raises(CorpusError, match=r":2: .*in column 'id', but got 9007199254740994\.0, which is not exact"):
        read(parquet(columns, {}))
