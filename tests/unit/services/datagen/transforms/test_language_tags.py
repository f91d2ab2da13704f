"""Options and examples that spell a language differently mean the same language."""

from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.corpora import Options, read_examples, read_texts
from babelscope.data.examples import Answer, Example, Question, Sentence, Word

from services.datagen.datasets.dictionaries import find_dictionary
from services.datagen.grammar.corpus import generate
from services.datagen.translation.languages import code
from services.datagen.trees.tree import tree_of
from services.datagen.trees.word_order import reordered
from services.runtime.errors import InvalidArgument, NotFound
from tests.support.datagen_corpora import Memory, transform
from tests.support.language_tags import all_spellings
from tests.support.translating import Systems

ZH = [Example(f"q{i}", Question("我吃蘋果", "吃什麼", (Answer("蘋果", 2),)), "zh") for i in range(2)]
EN = [Example(f"q{i}", Question("I eat an apple", "eat what", (Answer("apple", 9),)), "eng") for i in range(2)]


@pytest.mark.parametrize("language", ["zh", "cmn", "zho_Hans", "ZH"])
def test_parts_are_swapped(language: str) -> None:
    done, report = transform("swap_language_of", EN + ZH, part="question", language=language)
    assert [one.content.question for one in done] == ["吃什麼"] * 4
    assert (report.counts["swapped"], report.counts["same"]) == (2, 2)
    assert [one.language for one in done] == ["eng", "eng", "zh", "zh"]
    assert done[0].attributes == {"question_language": language}


def test_words_are_switched_in_the_source_language_alone() -> None:
    memory = Memory(pairs={"d-de": [("red", "rot")]})
    examples = [Example("x", "red", "eng"), Example("y", "red", "fr"), Example("z", "red", "en-permuted")]
    done, report = transform("code_switch", examples, memory, dictionary="d", languages="de", source="en")
    assert [one.content for one in done] == ["rot", "red", "red"]
    assert report.counts["other_language"] == 2


@pytest.mark.parametrize("target", ["de", "deu", "de-Latn"])
def test_what_is_in_the_target_language_passes(target: str) -> None:
    systems = Systems({f"words-{target}": [("dog", "Hund")]})
    examples = [Example("1", "Hund", "ger"), Example("2", "dog", "en")]
    done, report = transform("translate", examples, systems, target=target, dictionary="words")
    assert [(one.content, one.language) for one in done] == [("Hund", "ger"), ("Hund", target)]
    assert report.counts["same_language"] == 1


def test_a_permutation_is_that_of_the_language_in_every_spelling() -> None:
    def permuted(tag: str, languages: str = "") -> list[object]:
        options = {"languages": languages} if languages else {}
        done, _ = transform("permute_vocabulary", [Example("x", "a b c d e f", tag)], seed=2, **options)
        return [one.content for one in done]

    assert permuted("eng") == permuted("en") == permuted("eng_Latn", "en") != permuted("de")
    assert permuted("eng", "de") == ["a b c d e f"]
    done, report = transform(
        "permute_vocabulary", [Example("x", "a b", "en"), Example("y", "b a", "eng")], languages="en"
    )
    assert [one.content for one in done] == ["b a", "a b"]
    assert report.counts["types/en"] == 2


def test_domains_are_mixed_within_a_language() -> None:
    ours = [Example(f"x{i}", "text", "zh") for i in range(4)]
    theirs = [Example(f"y{i}", "other", "cmn") for i in range(4)]
    done, report = transform("mix_domains", ours, Memory(datasets={"d": theirs}), dataset="d", languages="zho")
    assert {one.content for one in done} == {"other"}
    assert report.counts["available"] == 4


def test_a_vocabulary_serves_its_language() -> None:
    corpus = [Example(str(i), "the old dog and the cat", "en") for i in range(9)]
    parts, _ = transform("learn_vocabulary", corpus, size=40, separate="true")
    memory = Memory(datasets={"datasets/v": parts})
    (done,), _ = transform("cut_subwords", [Example("1", "the dog", "eng")], memory, vocabulary="datasets/v")
    (same,), _ = transform("cut_subwords", [Example("1", "the dog", "en")], memory, vocabulary="datasets/v")
    assert (done.content, done.language) == (same.content, "eng")


MIXED = [Example(f"x{i}", f"天 气 {i % 3}", tag) for i, tag in enumerate(["zh", "cmn", "zho_Hans", "ZH"] * 3)]
"""Twelve texts of one language, in four spellings, of which the first is `zh`."""


def test_one_language_in_several_spellings_is_sampled_as_one() -> None:
    others = [Example(f"y{i}", "the dog", "en") for i in range(12)]
    done, report = transform("sample_languages", MIXED + others, total=12, exponent=0.5)
    assert {name: report.counts[name] for name in ("available/zh", "available/en", "kept/zh", "kept/en")} == {
        "available/zh": 12, "available/en": 12, "kept/zh": 6, "kept/en": 6
    }  # fmt: skip
    assert {one.language for one in done} <= {"zh", "cmn", "zho_Hans", "ZH", "en"}
    done, report = transform("subsample", MIXED + others, size=5, equal="true")
    assert (report.counts["kept/zh"], report.counts["kept/en"], len(done)) == (5, 5, 10)


def test_one_language_in_several_spellings_is_counted_and_cut_as_one() -> None:
    _, report = transform("measure_anchors", MIXED)
    assert {name: count for name, count in report.counts.items() if "/" in name} == {"types/zh": 5, "tokens/zh": 36}
    parts, report = transform("learn_vocabulary", MIXED, size=40, separate="true")
    assert ({one.language for one in parts}, report.counts["types/zh"]) == ({"zh"}, 5)
    done, _ = transform("cut_streams", MIXED, length=6)
    assert {one.language for one in done} == {"zh"}


@pytest.mark.parametrize(("short", "tag"), all_spellings())
def test_all_spellings_have_the_same_translation_and_word_order(short: str, tag: str) -> None:
    for known in (NLLB, M2M):
        assert code(tag, known.__contains__) == code(short, known.__contains__)
    words = (Word("What", "PRON", 2, "obj"), Word("sees", "VERB", 0, "root"), Word("Ann", "PROPN", 2, "nsubj"))
    tree = tree_of(Sentence(words, ""), "x")
    assert reordered(tree, lambda _: "VSO", tag) == reordered(tree, lambda _: "VSO", short)
    assert reordered(tree, lambda _: "VSO", tag) == ([0, 1, 2] if short == "en" else [1, 2, 0])


@pytest.mark.parametrize(
    ("source", "target", "name"),
    [
        ("en", "zh", "en-zh.tsv"), ("eng", "cmn", "en-zh.tsv"), ("en_Latn", "ZHO", "en-zh.tsv"),
        ("en", "zh-Hant", "en-zh-Hant.txt"), ("en", "el", "en-ell.muse-train.tsv"),
    ],
)  # fmt: skip
def test_dictionaries_are_found(tmp_path: Path, source: str, target: str, name: str) -> None:
    for each in ("en-zh.tsv", "en-zh-Hant.txt", "en-ell.muse-train.tsv", "notes.txt"):
        (tmp_path / each).write_text("a\tb\n", encoding="utf-8")
    assert find_dictionary([tmp_path], ".", source, target).name == name
    if name == "en-zh.tsv":
        assert find_dictionary([tmp_path], "{source}-{target}.tsv", source, target).name == name
    with pytest.raises(NotFound):
        find_dictionary([tmp_path], ".", target, source)


def test_a_dictionary_that_is_spelled_as_asked_for_comes_first(tmp_path: Path) -> None:
    for each in ("en-cmn.tsv", "en-zh.tsv"):
        (tmp_path / each).write_text("a\tb\n", encoding="utf-8")
    assert find_dictionary([tmp_path], ".", "en", "zh").name == "en-zh.tsv"
    assert find_dictionary([tmp_path], ".", "en", "cmn").name == "en-cmn.tsv"


def test_the_grammar_writes_a_language_under_the_tag_asked_for() -> None:
    found = list(generate(["cmn", "en"], 3, 1))
    assert [one.content for one in found] == [one.content for one in generate(["zh", "en"], 3, 1)]
    assert [one.language for one in found[:2]] == ["cmn", "en"]
    with pytest.raises(InvalidArgument, match=r"but got 'zh-Hant'"):
        generate(["zh-Hant"], 3, 1)


@pytest.mark.parametrize("language", ["sw", "swh", "swa", "SW"])
def test_readers_find_a_language(tmp_path: Path, language: str) -> None:
    whole = tmp_path / "xnli.dev.tsv"
    whole.write_text("language\tgold_label\tsentence1\tsentence2\nsw\tneutral\ta\tb\nde\tneutral\tc\td\n", "utf-8")
    assert [one.language for one in read_examples(whole, options=Options(language=language))] == ["sw"]
    table = tmp_path / "many.tsv"
    table.write_text("id\tde\tsw\n1\tja\tndiyo\n", encoding="utf-8")
    assert [(one.text, one.language) for one in read_texts(table, language=language)] == [("ndiyo", language)]


NLLB = {
    "zho_Hans", "zho_Hant", "yue_Hant", "arb_Arab", "arz_Arab", "srp_Cyrl", "nob_Latn", "nno_Latn", "tgl_Latn",
    "lvs_Latn", "azj_Latn", "ckb_Arab", "eng_Latn", "est_Latn", "khk_Cyrl", "swh_Latn", "pes_Arab", "kor_Hang",
    "zsm_Latn", "uzn_Latn", "als_Latn", "npi_Deva", "pbt_Arab",
}  # fmt: skip
M2M = {f"__{each}__" for each in ["zh", "ar", "no", "tl", "en", "sr", "fa", "ko", "he", "id"]}
MARIAN = {">>cmn<<", ">>ara<<", ">>arz<<", ">>yue<<", ">>nob<<", ">>pes<<", ">>zsm_Latn<<"}


@pytest.mark.parametrize(
    ("tags", "known", "token"),
    [
        ("zh cmn zho ZH zh_CN cmn_Hans", NLLB, "zho_Hans"),
        ("zh-TW zh_Hant zh-HK cmn-Hant", NLLB, "zho_Hant"),
        ("yue zh-yue", NLLB, "yue_Hant"),
        ("ar ara arb arb_Arab", NLLB, "arb_Arab"),
        ("arz", NLLB, "arz_Arab"),
        ("tl tgl fil", NLLB, "tgl_Latn"),
        ("nb no nob nor", NLLB, "nob_Latn"),
        ("ko kor kor_Hang", NLLB, "kor_Hang"),
        ("lv lav lvs", NLLB, "lvs_Latn"),
        ("sr srp sr-Latn", NLLB, "srp_Cyrl"),
        ("ckb", NLLB, "ckb_Arab"),
        ("zh cmn zh-Hant yue wuu", M2M, "__zh__"),
        ("ar arz arb", M2M, "__ar__"),
        ("nb no nob", M2M, "__no__"),
        ("tl tgl fil", M2M, "__tl__"),
        ("he iw heb", M2M, "__he__"),
        ("zh cmn zh_CN zh-Hant", MARIAN, ">>cmn<<"),
        ("ar ara", MARIAN, ">>ara<<"),
        ("arz", MARIAN, ">>arz<<"),
        ("fa fas pes", MARIAN, ">>pes<<"),
        ("ms msa zsm", MARIAN, ">>zsm_Latn<<"),
        ("xx l1 en2 tlh", NLLB | M2M | MARIAN, ""),
    ],
)
def test_codes_of_translation_models(tags: str, known: set[str], token: str) -> None:
    assert {tag: code(tag, known.__contains__) for tag in tags.split()} == dict.fromkeys(tags.split(), token)


@pytest.mark.shared_data
@pytest.mark.parametrize(("tag", "file"), [("cmn", "en-zh.tsv"), ("deu", "en-de.tsv"), ("ell", "en-el.muse-train.tsv")])
def test_the_shared_dictionaries_by_three_letters(shared_data: Callable[[str], Path], tag: str, file: str) -> None:
    folder = shared_data("dictionaries")
    assert find_dictionary([folder], ".", "eng", tag).name == file
