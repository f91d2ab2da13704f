"""One sentence in every language, word by word, and the forms that rules get wrong."""

import pytest

from services.datagen.grammar import names
from services.datagen.grammar.concepts import concepts
from services.datagen.grammar.corpus import LANGUAGES, language_of
from services.datagen.grammar.languages.tr import Turkish
from services.datagen.grammar.syntax import Clause, Common, Name, Pronoun, Relative, Statement

READ = Statement(
    Clause(
        Common("teacher", relative=Relative("object", "see", Pronoun("we"))),
        "read",
        "past",
        negative=True,
        object=Common("book", "this", plural=True, adjective="old"),
        place=Common("garden"),
        time="yesterday",
    )
)
COUNT = Statement(
    Clause(Pronoun("I"), "buy", "future", object=Common("apple", "count", True, 5, "red"), time="tomorrow"),
    "because",
    Clause(Name("PER", ("ka-ro-na",)), "sleep"),
)
SAY = Statement(Clause(Common("woman", "a"), "say", content=Clause(Common("child", plural=True), "laugh")))
WRITTEN = {
    "en": (
        "The teacher that we saw did not read these old books in the garden yesterday.",
        "I will buy five red apples tomorrow because Karona slept.",
        "A woman said that the children laughed.",
    ),
    "es": (
        "El maestro que nosotros vimos no leyó estos libros viejos en el jardín ayer.",
        "Yo compraré cinco manzanas rojas mañana porque Karona durmió.",
        "Una mujer dijo que los niños rieron.",
    ),
    "ru": (
        "Учитель, которого мы увидели, вчера не прочитал эти старые книги в саду.",
        "Я завтра куплю пять красных яблок, потому что Карона спала.",
        "Одна женщина сказала, что дети смеялись.",
    ),
    "tr": (
        "Bizim gördüğümüz öğretmen dün bahçede bu yaşlı kitapları okumadı.",
        "Ben yarın beş kırmızı elma satın alacağım, çünkü Karona uyudu.",
        "Bir kadın çocukların güldüğünü söyledi.",
    ),
    "hi": (
        "शिक्षक ने, जिसे हमने देखा, कल बग़ीचे में ये बूढ़ी किताबें नहीं पढ़ीं।",
        "मैं कल पाँच लाल सेब ख़रीदूँगा, क्योंकि कारोना सोई।",
        "एक औरत ने कहा कि बच्चे हँसे।",
    ),
    "ar": (
        "لم يقرأ المعلم الذي رأيناه نحن هذه الكتب المسنة في الحديقة أمس.",
        "أنا سأشتري خمس تفاحات حمراء غدا لأنه نامت كارونا.",
        "قالت امرأة إنه ضحك الأطفال.",
    ),
    "ja": (
        "私たちが見た先生は昨日庭でこれらの年老いた本を読まなかった。",
        "カロナが眠ったから、私は明日五個の赤いりんごを買う。",
        "ある女性は子供たちが笑ったと言った。",
    ),
    "zh": (
        "我们看见了的老师昨天没有在花园里读这些老书。",
        "因为卡罗娜睡了，所以我明天会买五个红苹果。",
        "一个女人说那些孩子大笑了。",
    ),
}


@pytest.mark.parametrize("tag", LANGUAGES)
def test_hand_made_sentences(tag: str) -> None:
    language = language_of(tag)
    assert tuple(language.sentence(one).text for one in (READ, COUNT, SAY)) == WRITTEN[tag]


@pytest.mark.parametrize(
    ("tag", "clause", "text"),
    [
        ("en", Clause(Pronoun("they"), "carry", "present", object=Common("egg", "a"), time="often"),
         "They carry an egg often."),
        ("es", Clause(Common("eagle"), "see", object=Pronoun("they")), "El águila los vio."),
        ("es", Clause(Common("girl", plural=True), "praise", object=Common("doctor")),
         "Las muchachas elogiaron al médico."),
        ("ru", Clause(Common("mother"), "see", object=Common("cat", "count", True, 3)), "Мать увидела трёх кошек."),
        ("ru", Clause(Common("father"), "find", object=Common("table", "count", True, 4, "new")),
         "Отец нашёл четыре новых стола."),
        ("ru", Clause(Common("woman"), "laugh"), "Женщина смеялась."),
        ("ru", Clause(Pronoun("we"), "sleep", "future", time="tomorrow"), "Мы завтра будем спать."),
        ("tr", Clause(Common("child"), "eat", "future", object=Common("pear"), time="soon"),
         "Çocuk yakında armudu yiyecek."),
        ("tr", Clause(Pronoun("we"), "wash", "present", object=Common("knife"), time="often"),
         "Biz sık sık bıçağı yıkıyoruz."),
        ("hi", Clause(Common("girl"), "bring", object=Common("book")), "लड़की किताब लाई।"),
        ("hi", Clause(Common("woman", plural=True), "sing"), "औरतों ने गाया।"),
        ("hi", Clause(Common("boy"), "close", object=Common("window", plural=True)), "लड़के ने खिड़कियाँ बंद कीं।"),
        ("ar", Clause(Common("woman", plural=True, adjective="strong"), "read", object=Common("letter", "a")),
         "قرأت النساء القويات رسالة."),
        ("ar", Clause(Pronoun("they"), "read", negative=True, object=Common("report")), "هم لم يقرؤوا التقرير."),
        ("ar", Clause(Common("boy"), "see", object=Pronoun("I")), "رآني الولد."),
        ("ja", Clause(Common("dog"), "bring", negative=True, object=Common("ball")), "犬はボールを持ってこなかった。"),
        ("zh", Clause(Common("horse", "several", True), "run", "future", time="soon"), "几匹马很快会跑。"),
    ],
)  # fmt: skip
def test_forms_that_rules_get_wrong(tag: str, clause: Clause, text: str) -> None:
    assert language_of(tag).sentence(Statement(clause)).text == text


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_concept_has_words(tag: str) -> None:
    known = concepts()
    wanted = {*known.nouns, *known.verbs, *known.adjectives, *known.manners, *known.times, *known.organisations}
    assert set(language_of(tag).lexicon) == wanted


@pytest.mark.parametrize("script", ["latin", "cyrillic", "arabic", "devanagari", "kana", "hanzi"])
def test_names_are_spelled_without_loss(script: str) -> None:
    keys = [key for kind in names.COUNTS for key in names.inventory(kind)]
    assert len(keys) == sum(names.COUNTS.values())
    assert len({names.spell(key, script) for key in keys}) == len(keys)
    assert all(names.kind_of(key) == kind for kind in names.COUNTS for key in names.inventory(kind))


def test_turkish_i_keeps_its_dot() -> None:
    turkish = Turkish()
    assert turkish.capital("iyi") == "İyi"
    assert turkish.capital("ışık") == "Işık"
    assert turkish.uncapital("İyi") == "iyi"


def test_families_orders_and_scripts() -> None:
    languages = [language_of(tag) for tag in LANGUAGES]
    assert len(languages) >= 8
    assert {one.order for one in languages} == {"SVO", "SOV", "VSO"}
    assert len({one.script for one in languages}) == 6
