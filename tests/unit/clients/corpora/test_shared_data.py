"""Files of the shared data sets against the counts of their descriptions; all with `BABELSCOPE_WHOLE=1`."""

import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from babelscope.corpora import Question, Sentence, find_format, read_examples, read_parallel, read_texts
from babelscope.corpora.blocks import read_blocks
from babelscope.corpora.writers import write_examples

from tests.support.whole import spread

pytestmark = pytest.mark.shared_data
Find = Callable[[str], Path]


def table(readme: Path) -> list[tuple[str, ...]]:
    """Rows of the tables of a description: their cells."""
    rows = [
        line for line in readme.read_text(encoding="utf-8").split("\n") if re.match(r"\| [^|]+\.[a-z0-9.]+ \|", line)
    ]
    assert rows
    return [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows]


@pytest.mark.parametrize(("folder", "sentences", "words"), [("pud", 2, 3), ("ud", 2, 3), ("ner", 1, 2)])
def test_sentences_and_words(shared_data: Find, folder: str, sentences: int, words: int) -> None:
    for row in spread(table(shared_data(f"{folder}/README.md")), 8):
        path = shared_data(f"{folder}/{row[0]}")
        contents = [each.content for each in read_examples(path)]
        assert len(contents) == int(row[sentences]), row[0]
        found = sum(len(content.words) for content in contents if isinstance(content, Sentence))
        assert found == int(row[words]), row[0]
        assert len(read_texts(path)) == int(row[sentences]), row[0]


def test_entities(shared_data: Find) -> None:
    for row in spread(table(shared_data("ner/README.md")), 8):
        opened: dict[str, int] = {}
        for example in read_examples(shared_data(f"ner/{row[0]}")):
            assert isinstance(example.content, Sentence)
            for word in example.content.words:
                if word.ner.startswith("B-"):
                    opened[word.ner[2:]] = opened.get(word.ner[2:], 0) + 1
        expected = {kind: int(cell) for kind, cell in zip(("PER", "LOC", "ORG", "OTH"), row[3:7], strict=True) if cell}
        assert opened == expected, row[0]


def test_questions_and_their_offsets(shared_data: Find) -> None:
    for row in table(shared_data("qa/README.md")):
        path = shared_data(f"qa/{row[0]}")
        contents = [each.content for each in read_examples(path)]
        assert len(contents) == int(row[2])
        answers = 0
        for content in contents:
            assert isinstance(content, Question)
            for answer in content.answers:
                assert content.context[answer.start : answer.start + len(answer.text)] == answer.text
                answers += 1
        assert answers == int(row[3])
        # KorQuAD has one paragraph that nobody asks about; it has no id.
        unasked = 1 if row[0].startswith("KorQuAD") else 0
        assert len(read_texts(path, column="context")) == int(row[1]) - unasked


def test_xquad_is_parallel_by_question_and_by_paragraph(shared_data: Find) -> None:
    languages = ("en", "ar", "de", "el", "es", "hi", "ru", "th", "tr", "vi", "zh")
    files = {language: shared_data(f"qa/xquad.{language}.json") for language in languages}
    for column, count in (("question", 1190), ("context", 240)):
        corpus = read_parallel(files, column=column)
        assert not any(corpus.missing().values())
        assert len(corpus.common().ids) == count


def test_xnli_rows_align(shared_data: Find) -> None:
    for split, rows in (("dev", 2490), ("test", 5010)):
        files = {language: shared_data(f"nli/xnli.{language}.{split}.tsv") for language in ("en", "sw", "ur")}
        assert find_format(files["en"]).name == "xnli"
        corpus = read_parallel(files)
        assert len(corpus.common().ids) == rows
        assert not any(corpus.missing().values())


def test_tatoeba_pairs(shared_data: Find) -> None:
    pairs = re.findall(r"\| ([a-z]{3})-eng \| (\d+) \|", shared_data("tatoeba/README.md").read_text(encoding="utf-8"))
    assert len(pairs) == 22
    for language, lines in pairs:
        stem = f"tatoeba/tatoeba.{language}-eng"
        files = {"en": shared_data(f"{stem}.eng"), language: shared_data(f"{stem}.{language}")}
        left, right = read_parallel(files).pair("en", language)
        assert len(left) == len(right) == int(lines)


def test_text_lines(shared_data: Find) -> None:
    for row in table(shared_data("text/README.md")):
        texts = read_texts(shared_data(f"text/{row[0]}"))
        assert len(texts) == int(row[2])
        assert sum(len(text.text) for text in texts) == int(row[4])


def test_dictionaries_as_tsv(shared_data: Find) -> None:
    for row in table(shared_data("dictionaries/README.md")):
        path = shared_data(f"dictionaries/{row[0]}")
        assert len(read_texts(path, column="2", id_column="#")) == int(row[2])
        assert len({text.text for text in read_texts(path, column="1")}) == int(row[3])


def test_pud_aligns_by_sentence_whatever_the_order(shared_data: Find, tmp_path: Path) -> None:
    english = shared_data("pud/en.conllu.gz")
    blocks = [
        "\n".join(["# sent_id = " + each.id, "# text = " + each.content.text, "1\tx" + "\t_" * 8, "", ""])
        for each in read_examples(shared_data("pud/fr.conllu.gz"))
        if isinstance(each.content, Sentence)
    ]
    (tmp_path / "fr.conllu").write_text("".join(reversed(blocks[1:])), encoding="utf-8")
    corpus = read_parallel({"en": english, "fr": tmp_path / "fr.conllu"})
    straight = {text.id: text.text for text in read_texts(shared_data("pud/fr.conllu.gz"))}
    left, right = corpus.pair("en", "fr")
    assert len(left) == 999
    assert all(one.id == two.id and straight[one.id] == two.text for one, two in zip(left, right, strict=True))
    assert corpus.missing() == {"en": (), "fr": ("n01001011",)}


def test_entity_files_of_pud_align_through_their_map(shared_data: Find) -> None:
    numbers = shared_data("ner/pud_sentence_map.tsv")
    ids = {text.text: text.id for text in read_texts(numbers, column="zh", id_column="pud_sent_id")}
    assert len(ids) == 1000
    assert {each.id for each in read_examples(shared_data("ner/zh_pud-ud-test.iob2.gz"))} == set(ids)


@pytest.mark.parametrize("folder", ["pud", "ud", "ner"])
def test_sentences_are_written_and_read_back_as_they_were(shared_data: Find, folder: str, tmp_path: Path) -> None:
    for row in table(shared_data(f"{folder}/README.md"))[:8]:
        path = shared_data(f"{folder}/{row[0]}")
        kind = find_format(path).name
        examples = list(islice(read_examples(path), 500))
        write_examples(examples, tmp_path / "out", format=kind)
        back = list(read_examples(tmp_path / "out", format=kind))
        assert [(one.id, one.content, one.attributes) for one in back] == [
            (one.id, one.content, one.attributes) for one in examples
        ], row[0]


@pytest.mark.parametrize("folder", ["pud", "ud"])
def test_words_and_spaces_spell_the_raw_text_but_for_multiword_tokens(shared_data: Find, folder: str) -> None:
    for row in table(shared_data(f"{folder}/README.md"))[:8]:
        path = shared_data(f"{folder}/{row[0]}")
        joined = {block.comments["sent_id"] for block in read_blocks(path) if any("-" in f[0] for _, f in block.rows)}
        for example in read_examples(path):
            assert isinstance(example.content, Sentence)
            spelled = "".join(word.form + " " * word.space_after for word in example.content.words)
            if example.id not in joined:
                assert spelled.split() == example.content.text.split(), (row[0], example.id)
