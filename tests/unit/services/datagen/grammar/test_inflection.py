"""Inflected forms that are known from any grammar book, over the whole word lists: what rules and tables must give."""

import pytest

from services.datagen.grammar.corpus import language_of
from services.datagen.grammar.syntax import Clause, Common, Pronoun


def core(tag: str, role: str, phrase: Common) -> str:
    """The words of a noun phrase in a role."""
    return " ".join(language_of(tag).core(phrase, role).forms)


@pytest.mark.parametrize(
    ("tag", "forms"),
    [
        ("en", {"thief": "thieves", "wife": "wives", "tooth": "teeth", "foot": "feet",
                "calf": "calves", "loaf": "loaves", "shelf": "shelves", "scarf": "scarves", "hero": "heroes",
                "policeman": "policemen", "crisis": "crises", "nucleus": "nuclei", "oasis": "oases", "city": "cities",
                "box": "boxes", "donkey": "donkeys", "church": "churches", "volcano": "volcanoes"}),
        ("es", {"fish": "peces", "lion": "leones", "image": "imágenes", "exam": "exámenes", "crime": "crímenes",
                "umbrella": "paraguas", "king": "reyes", "crisis": "crisis", "virus": "virus", "net": "redes",
                "bamboo": "bambúes", "country": "países", "judge": "jueces", "leader": "líderes", "raisin": "pasas",
                "character": "letras", "dolphin": "delfines", "bus": "autobuses", "nose": "narices", "law": "leyes"}),
        ("ar", {"eye": "العيون", "prison": "السجون", "judge": "القضاة", "café": "المقاهي", "hand": "الأيدي",
                "king": "الملوك", "soldier": "الجنود", "philosopher": "الفلاسفة", "brother": "الإخوة",
                "bird": "الطيور", "law": "القوانين", "star": "النجوم", "mouse": "الفئران", "idea": "الأفكار",
                "question": "الأسئلة", "mountain": "الجبال", "island": "الجزر", "cup": "الأكواب",
                "day": "الأيام", "city": "المدن"}),
        ("hi", {"eye": "आँखें", "river": "नदियाँ", "well": "कुएँ", "house": "वे घर",
                "boy": "लड़के", "book": "किताबें", "idea": "वे विचार", "bird": "चिड़ियाँ", "metal": "धातुएँ",
                "statue": "मूर्तियाँ", "crow": "कौए", "king": "वे राजा", "medicine": "दवाएँ", "brother": "वे भाई",
                "power": "शक्तियाँ", "height": "ऊँचाइयाँ", "sparrow": "गौरैयाँ", "mother": "माताएँ"}),
        ("ru", {"brother": "братья", "son": "сыновья", "ear": "уши", "knee": "колени", "wing": "крылья",
                "name": "имена", "miracle": "чудеса", "eye": "глаза", "island": "острова",
                "train": "поезда", "chick": "цыплята", "day": "дни", "nest": "гнёзда", "seed": "семена",
                "stream": "ручьи", "finger": "пальцы", "citizen": "горожане", "chair": "стулья", "tree": "деревья"}),
        ("tr", {"hour": "saatler", "role": "roller", "character": "harfler", "shark": "köpekbalıkları",
                "fridge": "buzdolapları", "president": "cumhurbaşkanları", "eye": "gözler",
                "signal": "sinyaller", "country": "ülkeler", "island": "adalar", "uncle": "amcalar",
                "profit": "kârlar", "wasp": "yabanarıları", "metal": "metaller", "moment": "anlar",
                "book": "kitaplar", "leaf": "yapraklar", "attention": "dikkatler", "bulb": "ampuller"}),
    ],
)  # fmt: skip
def test_plurals(tag: str, forms: dict[str, str]) -> None:
    for noun, plural in forms.items():
        written = core(tag, "subject", Common(noun, plural=True))
        written = written.split(" ", 1)[1] if tag in {"en", "es"} else written
        assert written == plural, noun


@pytest.mark.parametrize(
    ("tag", "role", "phrase", "form"),
    [
        ("es", "subject", Common("axe", adjective="sharp"), "el hacha afilada"),
        ("es", "subject", Common("axe", "this"), "esta hacha"),
        ("es", "subject", Common("weapon", plural=True), "las armas"),
        ("es", "object", Common("judge", adjective="young"), "al juez joven"),
        ("en", "subject", Common("hour", "a"), "an hour"),
        ("en", "subject", Common("ewe", "a"), "a ewe"),
        ("en", "subject", Common("uniform", "a", adjective="elegant"), "an elegant uniform"),
        ("en", "object", Common("person", "a", adjective="honest"), "an honest person"),
        ("en", "object", Common("machine", "a", adjective="useful"), "a useful machine"),
        ("ru", "object", Common("judge", adjective="strict"), "строгого судью"),
        ("ru", "object", Common("man", "this"), "этого мужчину"),
        ("ru", "object", Common("sister", "count", plural=True, count=3), "трёх сестёр"),
        ("ru", "object", Common("animal", plural=True, adjective="wild"), "диких животных"),
        ("ru", "object", Common("dress", "a", adjective="blue"), "одно синее платье"),
        ("ru", "subject", Common("apple", "count", plural=True, count=5, adjective="fresh"), "пять свежих яблок"),
        ("ru", "place", Common("airport"), "в аэропорту"),
        ("ru", "place", Common("sanatorium", "this"), "в этом санатории"),
        ("ru", "subject", Common("cucumber", "many", plural=True), "много огурцов"),
        ("ru", "object", Common("window", "several", plural=True, adjective="expensive"), "несколько дорогих окон"),
        ("tr", "object", Common("hour"), "saati"),
        ("tr", "owner", Common("hour", plural=True), "saatlerin"),
        ("tr", "object", Common("fridge"), "buzdolabını"),
        ("tr", "place", Common("airport"), "havaalanında"),
        ("tr", "owner", Common("shark", plural=True), "köpekbalıklarının"),
        ("tr", "object", Common("nose"), "burnu"),
        ("tr", "object", Common("idea", "this"), "bu fikri"),
        ("tr", "object", Common("crab"), "yengeci"),
        ("tr", "owner", Common("secret"), "sırrın"),
        ("tr", "object", Common("day", "count", plural=True, count=4), "dört gün"),
        ("hi", "place", Common("well", adjective="deep"), "अथाह कुएँ में"),
        ("hi", "object", Common("king", plural=True), "राजाओं को"),
        ("hi", "agent", Common("farmer", "several", plural=True), "कई किसानों ने"),
        ("hi", "agent", Common("brother", plural=True), "भाइयों ने"),
        ("hi", "place", Common("room", "this", adjective="small"), "इस छोटे कमरे में"),
        ("hi", "subject", Common("skirt", adjective="new"), "नया घाघरा"),
        ("hi", "object", Common("lock", plural=True, adjective="new"), "नए ताले"),
        ("ar", "subject", Common("lawyer", "a"), "محام"),
        ("ar", "subject", Common("lawyer"), "المحامي"),
        ("ar", "object", Common("lawyer", "a", adjective="famous"), "محاميا مشهورا"),
        ("ar", "object", Common("lawyer", plural=True), "المحامين"),
        ("ar", "subject", Common("sentence", "count", plural=True, count=5), "خمس جمل"),
        ("ar", "object", Common("law", "a"), "قانونا"),
        ("ar", "object", Common("plant", "a", adjective="green"), "نباتا أخضر"),
        ("ar", "object", Common("molecule", "a"), "جزيئا"),
        ("ar", "object", Common("eye", "count", plural=True, count=4), "أربع عيون"),
        ("ar", "object", Common("princess", plural=True, adjective="foolish"), "الأميرات الحمقاوات"),
        ("ar", "object", Common("child", plural=True, adjective="innocent"), "الأطفال الأبرياء"),
        ("ja", "object", Common("fish", "count", plural=True, count=3), "三 匹 の 魚 を"),
        ("ja", "subject", Common("shirt", "a"), "一 枚 の シャツ が"),
        ("ja", "place", Common("house", "this"), "この 家 で"),
        ("ja", "subject", Common("train", "several", plural=True), "数 本 の 列車 が"),
        ("zh", "subject", Common("horse", "count", plural=True, count=3), "三 匹 马"),
        ("zh", "subject", Common("fish", "this"), "这 条 鱼"),
        ("zh", "subject", Common("letter", "several", plural=True), "几 封 信"),
        ("zh", "subject", Common("knife", "a", adjective="sharp"), "一 把 锋利 的 刀"),
        ("zh", "subject", Common("pen", "count", plural=True, count=5), "五 支 钢笔"),
    ],
)  # fmt: skip
def test_noun_phrases(tag: str, role: str, phrase: Common, form: str) -> None:
    assert core(tag, role, phrase) == form


TEACHER, GIRL, GIRLS, ME, WE, THEY = (
    Common("teacher"), Common("girl"), Common("girl", plural=True), Pronoun("I"), Pronoun("we"), Pronoun("they"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("tag", "clause", "text"),
    [
        ("en", Clause(GIRL, "fall"), "the girl fell"),
        ("en", Clause(THEY, "fly_verb"), "they flew"),
        ("en", Clause(TEACHER, "stumble", "present"), "the teacher stumbles"),
        ("es", Clause(ME, "play"), "yo jugué"),
        ("es", Clause(GIRLS, "fall"), "las muchachas cayeron"),
        ("es", Clause(ME, "stumble", "present"), "yo tropiezo"),
        ("es", Clause(ME, "appear", "present"), "yo aparezco"),
        ("ru", Clause(GIRL, "stumble"), "девочка споткнулась"),
        ("ru", Clause(THEY, "fall", "future"), "они упадут"),
        ("ru", Clause(WE, "live", "present"), "мы живём"),
        ("ru", Clause(Common("rose"), "bloom"), "роза цвела"),
        ("ru", Clause(THEY, "escape", "future"), "они убегут"),
        ("ru", Clause(ME, "fight", "present"), "я дерусь"),
        ("tr", Clause(WE, "walk"), "biz yürüdük"),
        ("tr", Clause(GIRL, "shout", "future", negative=True), "kız bağırmayacak"),
        ("tr", Clause(THEY, "sleep", "present"), "onlar uyuyorlar"),
        ("hi", Clause(GIRL, "depart"), "लड़की निकली"),
        ("hi", Clause(GIRLS, "fall"), "लड़कियाँ गिरीं"),
        ("hi", Clause(ME, "live", "future"), "मैं रहूँगा"),
        ("hi", Clause(WE, "arrive", "present"), "हम पहुँचते हैं"),
        ("ar", Clause(Common("bird"), "fly_verb", "past", negative=True), "لم يطر الطائر"),
        ("ar", Clause(Common("bird", plural=True), "fly_verb", "future"), "ستطير الطيور"),
        ("ar", Clause(GIRL, "walk"), "مشت البنت"),
        ("ar", Clause(ME, "walk"), "أنا مشيت"),
        ("ar", Clause(WE, "live"), "نحن عشنا"),
        ("ar", Clause(THEY, "arrive", "present"), "هم يصلون"),
        ("ja", Clause(GIRL, "swim"), "少女 は 泳い だ"),
        ("ja", Clause(TEACHER, "escape", "past", negative=True), "先生 は 逃げ なかっ た"),
        ("ja", Clause(TEACHER, "depart", "present"), "先生 は 出発 する"),
        ("zh", Clause(TEACHER, "arrive"), "老师 到达 了"),
        ("zh", Clause(TEACHER, "arrive", "past", negative=True), "老师 没有 到达"),
    ],
)  # fmt: skip
def test_verbs(tag: str, clause: Clause, text: str) -> None:
    assert " ".join(language_of(tag).clause(clause, "main").forms) == text
