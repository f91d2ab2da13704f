"""Every order in every language of PUD: hand-made sentences, their subject, verb and object told apart by hand."""

import pytest
from babelscope.data.examples import Example, Sentence, Word

from services.datagen.counts import StepReport
from services.datagen.transforms.reorder import Reorder, ReorderOptions

ORDERS = ("SOV", "VOS", "VSO", "OSV", "OVS", "SVO")

# Language, words as form/UPOS/head/relation, then S, V and O as they are written together, and what ends the sentence.
TABLE = (
    (
        "en",
        "The/DET/2/det girl/NOUN/5/nsubj has/AUX/5/aux not/PART/5/advmod eaten/VERB/0/root the/DET/7/det "
        "apple/NOUN/5/obj ./PUNCT/5/punct",
        ("The girl", "has not eaten", "the apple", "."),
    ),
    (
        "ru",
        "Маленькая/ADJ/2/amod девочка/NOUN/3/nsubj читает/VERB/0/root новую/ADJ/5/amod книгу/NOUN/3/obj "
        "./PUNCT/3/punct",
        ("Маленькая девочка", "читает", "новую книгу", "."),
    ),
    ("ar", "قرأ/VERB/0/root الولد/NOUN/1/nsubj الكتاب/NOUN/1/obj ./PUNCT/1/punct", ("الولد", "قرأ", "الكتاب", ".")),
    (
        "zh",
        "那/DET/2/det 猫/NOUN/4/nsubj 没有/ADV/4/advmod 吃/VERB/0/root 大/ADJ/6/amod 鱼/NOUN/4/obj 。/PUNCT/4/punct",
        ("那猫", "没有吃", "大鱼", "。"),
    ),
    (
        "cs",
        "Stará/ADJ/2/amod žena/NOUN/3/nsubj čte/VERB/0/root dopis/NOUN/3/obj syna/NOUN/4/nmod ./PUNCT/3/punct",
        ("Stará žena", "čte", "dopis syna", "."),
    ),
    (
        "fi",
        "Nainen/NOUN/3/nsubj ei/AUX/3/aux lue/VERB/0/root hyvää/ADJ/5/amod kirjaa/NOUN/3/obj ./PUNCT/3/punct",
        ("Nainen", "ei lue", "hyvää kirjaa", "."),
    ),
    (
        "fr",
        "Le/DET/2/det chat/NOUN/4/nsubj a/AUX/4/aux mangé/VERB/0/root une/DET/6/det souris/NOUN/4/obj "
        "grise/ADJ/6/amod ./PUNCT/4/punct",
        ("Le chat", "a mangé", "une souris grise", "."),
    ),
    (
        "id",
        "Anak/NOUN/4/nsubj itu/DET/1/det tidak/PART/4/advmod membaca/VERB/0/root buku/NOUN/4/obj baru/ADJ/5/amod "
        "./PUNCT/4/punct",
        ("Anak itu", "tidak membaca", "buku baru", "."),
    ),
    (
        "it",
        "Il/DET/2/det gatto/NOUN/3/nsubj mangia/VERB/0/root il/DET/5/det pesce/NOUN/3/obj ./PUNCT/3/punct",
        ("Il gatto", "mangia", "il pesce", "."),
    ),
    (
        "ja",
        "白い/ADJ/2/amod 犬/NOUN/6/nsubj が/ADP/2/case 魚/NOUN/6/obj を/ADP/4/case 食べ/VERB/0/root た/AUX/6/aux "
        "。/PUNCT/6/punct",
        ("白い犬が", "食べた", "魚を", "。"),
    ),
    (
        "de",
        "Die/DET/2/det Frau/NOUN/3/nsubj kaufte/VERB/0/root ein/DET/6/det altes/ADJ/6/amod Buch/NOUN/3/obj "
        "./PUNCT/3/punct",
        ("Die Frau", "kaufte", "ein altes Buch", "."),
    ),
    (
        "hi",
        "लड़के/NOUN/5/nsubj ने/ADP/1/case ताज़ी/ADJ/4/amod रोटी/NOUN/5/obj खाई/VERB/0/root ।/PUNCT/5/punct",
        ("लड़के ने", "खाई", "ताज़ी रोटी", "।"),
    ),
    (
        "pl",
        "Kobieta/NOUN/3/nsubj nie/PART/3/advmod czyta/VERB/0/root tej/DET/5/det książki/NOUN/3/obj ./PUNCT/3/punct",
        ("Kobieta", "nie czyta", "tej książki", "."),
    ),
    (
        "pt",
        "O/DET/2/det menino/NOUN/3/nsubj lê/VERB/0/root um/DET/5/det livro/NOUN/3/obj de/ADP/7/case contos/NOUN/5/nmod "
        "./PUNCT/3/punct",
        ("O menino", "lê", "um livro de contos", "."),
    ),
    (
        "es",
        "La/DET/2/det niña/NOUN/3/nsubj come/VERB/0/root pan/NOUN/3/obj blanco/ADJ/4/amod ./PUNCT/3/punct",
        ("La niña", "come", "pan blanco", "."),
    ),
    (
        "tr",
        "Genç/ADJ/2/amod kadın/NOUN/5/nsubj eski/ADJ/4/amod kitabı/NOUN/5/obj okudu/VERB/0/root ./PUNCT/5/punct",
        ("Genç kadın", "okudu", "eski kitabı", "."),
    ),
)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("language", "rows", "parts"), TABLE, ids=[row[0] for row in TABLE])
def test_every_order(language: str, rows: str, parts: tuple[str, str, str, str], order: str) -> None:
    spaced = language not in ("zh", "ja")
    fields = [row.split("/") for row in rows.split()]
    joint = " " if spaced else ""
    words = tuple(
        Word(form, upos, int(head), relation, space_after=spaced and i < len(fields) - 2)
        for i, (form, upos, head, relation) in enumerate(fields)
    )
    text = joint.join(word.form for word in words[:-1]) + words[-1].form
    example = Example("x", Sentence(words, text), language)
    [moved] = Reorder(ReorderOptions(order), None, 0).apply([example], StepReport("reorder"))
    by_name = dict(zip("SVO", parts[:3], strict=True))
    assert moved.content.text == joint.join(by_name[name] for name in order) + parts[3]
    assert sorted(word.form for word in moved.content.words) == sorted(word.form for word in words)
