"""Trees and agreement: what the words of a sentence say of each other, along the edges of its tree."""

from collections.abc import Iterator

import pytest
from babelscope.data.examples import Example, Sentence, Word

from services.datagen.grammar.corpus import DOMAINS, LANGUAGES, generate
from services.datagen.trees.surface import align
from services.datagen.trees.tree import tree_of
from tests.support.made_trees import is_projective

UPOS = {
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ", "VERB",
}  # fmt: skip
DEPREL = {
    "root", "nsubj", "obj", "obl", "advmod", "amod", "det", "nummod", "case", "mark", "cc", "conj", "advcl", "acl",
    "ccomp", "punct", "aux", "flat", "compound", "clf", "nmod", "appos", "fixed", "expl",
}  # fmt: skip
AGREEING = {"es": ("Gender", "Number"), "ru": ("Gender", "Number", "Case"), "hi": ("Gender", "Number", "Case")}


def corpus(tag: str, size: int = 400) -> Iterator[Example]:
    for domain in DOMAINS:
        yield from generate([tag], size, 11, "sentences", 3, domain)


def feats(word: Word) -> dict[str, str]:
    return dict(part.split("=") for part in word.feats.split("|")) if word.feats else {}


def edges(sentence: Sentence) -> Iterator[tuple[Word, Word]]:
    """Dependents with their heads."""
    for word in sentence.words:
        if word.head:
            yield word, sentence.words[word.head - 1]


@pytest.mark.parametrize("tag", LANGUAGES)
def test_trees_are_trees_and_texts_spell_their_words(tag: str) -> None:
    for example in corpus(tag):
        sentence = example.content
        tree = tree_of(sentence, example.id)
        assert is_projective(tree), sentence.text
        assert sentence.words[tree.root].upos == "VERB"
        assert {word.upos for word in sentence.words} <= UPOS
        assert {word.deprel.split(":")[0] for word in sentence.words} <= DEPREL
        assert all(word.lemma for word in sentence.words)
        assert align(sentence.words, sentence.text) is not None
        rebuilt = "".join(word.form + (" " if word.space_after else "") for word in sentence.words).rstrip()
        assert rebuilt == sentence.text


@pytest.mark.parametrize("tag", LANGUAGES)
def test_entities_are_spans(tag: str) -> None:
    kinds = set()
    for example in corpus(tag):
        previous = "O"
        for word in example.content.words:
            if word.ner.startswith("I-"):
                assert previous[2:] == word.ner[2:], example.content.text
            kinds.add(word.ner)
            previous = word.ner
    assert kinds == {"O", "B-PER", "I-PER", "B-LOC", "B-ORG", "I-ORG"}


@pytest.mark.parametrize("tag", ["en", "es", "ru", "tr", "hi"])
def test_verbs_agree_with_their_subjects(tag: str) -> None:
    seen = 0
    for example in corpus(tag):
        for word, head in edges(example.content):
            if word.deprel != "nsubj" or head.upos != "VERB" or feats(word).get("PronType") == "Rel":
                continue
            finite = finite_of(example.content, head)
            subject, verb = feats(word), feats(finite)
            if "Person" not in verb or subject.get("Case") in {"Erg", "Gen"}:
                continue
            counted = [child for child, parent in edges(example.content) if parent is word and child.upos == "NUM"]
            plural = subject.get("Number", "Sing") == "Plur" or (bool(counted) and tag == "ru")
            if tag == "tr" and word.upos == "NOUN":
                plural = False
            assert verb["Person"] == subject.get("Person", "3"), example.content.text
            assert (verb["Number"] == "Plur") == plural, example.content.text
            seen += 1
    assert seen > 200


def finite_of(sentence: Sentence, head: Word) -> Word:
    """The word of a verb that shows person and number."""
    auxiliaries = [word for word, parent in edges(sentence) if parent is head and word.upos == "AUX"]
    return next((word for word in auxiliaries if "Person" in feats(word)), head)


def test_russian_and_hindi_pasts_agree_in_gender() -> None:
    seen = 0
    for tag in ("ru", "hi"):
        for example in corpus(tag):
            for word, head in edges(example.content):
                verb, subject = feats(head), feats(word)
                past = verb.get("Tense") == "Past" or verb.get("Aspect") == "Perf"
                marked = any(one.form == "ने" and parent is word for one, parent in edges(example.content))
                if word.deprel == "nsubj" and past and "Gender" in verb and "Gender" in subject and not marked:
                    if tag == "hi" and word.upos == "PRON":
                        continue
                    assert verb["Gender"] == subject["Gender"], example.content.text
                    seen += 1
    assert seen > 150


def test_hindi_ergative_verbs_agree_with_an_unmarked_object() -> None:
    seen = 0
    for example in corpus("hi"):
        sentence = example.content
        for word, head in edges(sentence):
            ergative = word.form == "ने" and head.deprel == "nsubj"
            if not ergative:
                continue
            verb = sentence.words[head.head - 1]
            objects = [one for one, parent in edges(sentence) if parent is verb and one.deprel == "obj"]
            marked = any(one.form == "को" and parent in objects for one, parent in edges(sentence))
            if objects and not marked and objects[0].upos == "NOUN":
                for name in ("Gender", "Number"):
                    assert feats(verb)[name] == feats(objects[0])[name], sentence.text
                seen += 1
            elif not objects or marked:
                assert (feats(verb)["Gender"], feats(verb)["Number"]) == ("Masc", "Sing"), sentence.text
    assert seen > 50


@pytest.mark.parametrize("tag", sorted(AGREEING))
def test_adjectives_and_determiners_agree_with_their_nouns(tag: str) -> None:
    seen = 0
    for example in corpus(tag):
        for word, head in edges(example.content):
            if word.deprel in {"amod", "det"} and head.upos == "NOUN" and word.ner == "O":
                for name in AGREEING[tag]:
                    own, other = feats(word).get(name), feats(head).get(name)
                    counted = tag == "ru" and name == "Number"  # три старых стола: the adjective is plural
                    if own and other and not counted:
                        assert own == other, (example.content.text, word.form)
                        seen += 1
    assert seen > 200


def test_arabic_adjectives_agree() -> None:
    for example in corpus("ar"):
        for word, head in edges(example.content):
            if word.deprel == "amod" and head.upos == "NOUN" and feats(word).get("Definite"):
                adjective, noun = feats(word), feats(head)
                assert adjective["Definite"] == noun["Definite"]
                assert adjective["Case"] == noun["Case"]
                same = (adjective["Gender"], adjective["Number"]) == (noun["Gender"], noun["Number"])
                things = noun["Number"] == "Plur" and (adjective["Gender"], adjective["Number"]) == ("Fem", "Sing")
                assert same or things, example.content.text
                assert word.form.startswith("ال") == head.form.startswith("ال")


@pytest.mark.parametrize(("tag", "case"), [("ru", {"Acc", "Gen"}), ("tr", {"Acc", "Nom"}), ("ar", {"Acc", "Gen"})])
def test_objects_have_their_case(tag: str, case: set[str]) -> None:
    for example in corpus(tag):
        for word, _ in edges(example.content):
            if word.deprel == "obj" and word.upos in {"NOUN", "PRON"} and feats(word).get("PronType") != "Rel":
                assert feats(word).get("Case", "Acc") in case, (example.content.text, word.form)
            if word.deprel == "nsubj" and tag != "ar" and "Case" in feats(word):
                assert feats(word)["Case"] in {"Nom", "Gen"}, example.content.text


def test_turkish_suffixes_are_in_harmony() -> None:
    back, front = set("aıou"), set("eiöü")
    for example in corpus("tr"):
        for word in example.content.words:
            if word.upos == "NOUN" and "Loc" in word.feats and "psor" not in word.feats:
                stem = word.form.lower().rpartition("d")[0] or word.form.lower().rpartition("t")[0]
                vowel = next(letter for letter in reversed(stem.replace("â", "a")) if letter in back | front)
                assert word.form.endswith("a" if vowel in back else "e"), word.form


@pytest.mark.parametrize("tag", ["zh", "ja"])
def test_counted_nouns_have_classifiers(tag: str) -> None:
    seen = 0
    for example in corpus(tag):
        for word, head in edges(example.content):
            if word.upos == "NUM" and word.deprel == "nummod" and "Clf" not in head.feats and head.form != "年":
                classifiers = [one for one, parent in edges(example.content) if parent is word and one.deprel == "clf"]
                assert classifiers or word.form == "许多", example.content.text
            seen += word.upos == "NUM"
    assert seen > 50
