"""Word order moved: hand-made sentences for each order, text, entities, answers; PUD without loss."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from babelscope.corpora.conllu import read
from babelscope.corpora.options import Options as ReadOptions
from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word

from services.datagen.counts import StepReport
from services.datagen.transforms.reorder import Reorder, ReorderOptions
from services.datagen.trees import parsing
from services.datagen.trees.parsing import Parsed
from services.datagen.trees.surface import align
from services.datagen.trees.tree import tree_of
from services.runtime.errors import FailedPrecondition, InvalidArgument
from tests.support.made_trees import is_projective
from tests.support.whole import spread

ORDERS = ("SOV", "VOS", "VSO", "OSV", "OVS", "SVO")
PUD = ("en", "ru", "ar", "zh", "cs", "fi", "fr", "id", "it", "ja", "de", "hi", "pl", "pt", "es", "tr")


def sentence(text: str, rows: str, *, spaces: bool = True) -> Sentence:
    """A sentence from `form/UPOS/head/deprel[/feats]`, separated by spaces."""
    words = []
    for row in rows.split():
        form, upos, head, deprel, *feats = row.split("/")
        words.append(Word(form, upos, int(head), deprel, feats=feats[0] if feats else "", space_after=spaces))
    return Sentence(tuple(words), text)


def reorder(content: object, order: str, *, seed: int = 0, name: str = "x", language: str = "en") -> tuple:
    report = StepReport("reorder")
    step = Reorder(ReorderOptions(order), None, seed)
    done = list(step.apply([Example(name, content, language)], report))
    return (done[0].content if done else None), report


# The example of Ravfogel et al. 2019, table 1, on UD v2 labels.
BROKER = sentence(
    "They say the broker took them out for lunch frequently.",
    "They/PRON/2/nsubj say/VERB/0/root the/DET/4/det broker/NOUN/5/nsubj took/VERB/2/ccomp them/PRON/5/obj "
    "out/ADP/5/compound:prt for/ADP/9/case lunch/NOUN/5/obl frequently/ADV/5/advmod ./PUNCT/2/punct",
)
SPANISH = sentence(
    "La niña no ha comido la manzana.",
    "La/DET/2/det niña/NOUN/5/nsubj no/ADV/5/advmod/Polarity=Neg ha/AUX/5/aux comido/VERB/0/root la/DET/7/det "
    "manzana/NOUN/5/obj ./PUNCT/5/punct",
)
GERMAN = sentence(
    "Ich glaube, dass er zum Arzt geht.",
    "Ich/PRON/2/nsubj glaube/VERB/0/root ,/PUNCT/9/punct dass/SCONJ/9/mark er/PRON/9/nsubj zu/ADP/8/case dem/DET/8/det "
    "Arzt/NOUN/9/obl geht/VERB/2/ccomp ./PUNCT/2/punct",
)
JAPANESE = sentence(
    "犬が本を食べた。",
    "犬/NOUN/5/nsubj が/ADP/1/case 本/NOUN/5/obj を/ADP/3/case 食べ/VERB/0/root た/AUX/5/aux 。/PUNCT/5/punct",
    spaces=False,
)
FRENCH = sentence(
    "J'ai vu l'homme.",
    "J'/PRON/3/nsubj ai/AUX/3/aux vu/VERB/0/root l'/DET/5/det homme/NOUN/3/obj ./PUNCT/3/punct",
)
QUESTION = sentence(
    "What did John eat in the park?",
    "What/PRON/4/obj/PronType=Int did/AUX/4/aux John/PROPN/4/nsubj eat/VERB/0/root in/ADP/7/case the/DET/7/det "
    "park/NOUN/4/obl ?/PUNCT/4/punct",
)
INFINITIVE = sentence(
    '"I want to eat apples," she said.',
    '"/PUNCT/3/punct I/PRON/3/nsubj want/VERB/9/ccomp to/PART/5/mark eat/VERB/3/xcomp apples/NOUN/5/obj '
    ',/PUNCT/3/punct "/PUNCT/3/punct said/VERB/0/root she/PRON/9/nsubj ./PUNCT/9/punct',
)
TURKISH = sentence("Kadın kitabı okudu.", "Kadın/NOUN/3/nsubj kitabı/NOUN/3/obj okudu/VERB/0/root ./PUNCT/3/punct")
HINDI = sentence(
    "लड़के ने रोटी खाई।",
    "लड़के/NOUN/4/nsubj ने/ADP/1/case रोटी/NOUN/4/obj खाई/VERB/0/root ।/PUNCT/4/punct",
)
NOMINAL = sentence("The dog is big.", "The/DET/2/det dog/NOUN/4/nsubj is/AUX/4/cop big/ADJ/0/root ./PUNCT/4/punct")

TABLE = {
    (BROKER.text, "en"): (
        BROKER,
        {
            "SOV": "They the broker them took out frequently for lunch say.",
            "VOS": "say took out frequently them the broker for lunch They.",
            "VSO": "say They took out frequently the broker them for lunch.",
            "SVO": "They say the broker took out frequently them for lunch.",
            "OVS": "them took out frequently the broker for lunch say They.",
            "OSV": "them the broker took out frequently for lunch They say.",
        },
    ),
    (SPANISH.text, "es"): (
        SPANISH,
        {
            "SOV": "La niña la manzana no ha comido.",
            "VOS": "no ha comido la manzana La niña.",
            "VSO": "no ha comido La niña la manzana.",
            "OSV": "la manzana La niña no ha comido.",
            "OVS": "la manzana no ha comido La niña.",
            "SVO": SPANISH.text,
        },
    ),
    (GERMAN.text, "de"): (
        GERMAN,
        {
            "SOV": "Ich, dass er geht zum Arzt glaube.".replace("er geht zum Arzt", "zum Arzt er geht"),
            "VSO": "glaube Ich, dass zum Arzt geht er.",
            "OVS": ", dass zum Arzt geht er glaube Ich.",
        },
    ),
    (JAPANESE.text, "ja"): (
        JAPANESE,
        {
            "SOV": JAPANESE.text,
            "SVO": "犬が食べた本を。",
            "VSO": "食べた犬が本を。",
            "VOS": "食べた本を犬が。",
            "OVS": "本を食べた犬が。",
            "OSV": "本を犬が食べた。",
        },
    ),
    (FRENCH.text, "fr"): (
        FRENCH,
        {"SOV": "J'l'homme ai vu.", "VSO": "ai vu J'l'homme.", "OVS": "l'homme ai vu J'."},
    ),
    (QUESTION.text, "en"): (
        QUESTION,
        {
            "SOV": "What John did eat in the park?",
            "VSO": "What did eat John in the park?",
            "OVS": "What did eat John in the park?",
        },
    ),
    (INFINITIVE.text, "en"): (
        sentence(
            '"I want to eat apples," said she.',
            " ".join("/".join((w.form, w.upos, str(w.head), w.deprel)) for w in INFINITIVE.words),
        ),
        {"SOV": 'she "I apples to eat want," said.', "VSO": 'said she "want I to eat apples,".'},
    ),
    (TURKISH.text, "tr"): (TURKISH, {"SVO": "Kadın okudu kitabı.", "VOS": "okudu kitabı Kadın.", "SOV": TURKISH.text}),
    (HINDI.text, "hi"): (HINDI, {"SVO": "लड़के ने खाई रोटी।", "OVS": "रोटी खाई लड़के ने।", "SOV": HINDI.text}),
    (NOMINAL.text, "en"): (NOMINAL, dict.fromkeys(ORDERS, NOMINAL.text)),
}
CASES = [
    pytest.param(made, order, wanted, language, id=f"{language}-{text[:12]}-{order}")
    for (text, language), (made, row) in TABLE.items()
    for order, wanted in row.items()
]


@pytest.mark.parametrize(("made", "order", "wanted", "language"), CASES)
def test_hand_made_sentences(made: Sentence, order: str, wanted: str, language: str) -> None:
    moved, _ = reorder(made, order, language=language)
    assert moved.text == wanted
    assert Counter(word.form for word in moved.words) == Counter(word.form for word in made.words)


def test_heads_follow_their_words() -> None:
    moved, report = reorder(BROKER, "OVS")
    tree = tree_of(moved, "x")
    edges = {(word.form, word.deprel, moved.words[word.head - 1].form if word.head else "") for word in moved.words}
    wanted = {(word.form, word.deprel, BROKER.words[word.head - 1].form if word.head else "") for word in BROKER.words}
    assert edges == wanted
    assert is_projective(tree)
    assert report.counts["moved"] == 1


def test_random_orders_depend_on_the_seed_and_the_id_alone() -> None:
    examples = [Example(f"s{i}", BROKER, "en") for i in range(40)]
    step = Reorder(ReorderOptions("random"), None, 3)
    forward = {one.id: one.content.text for one in step.apply(examples, StepReport("reorder"))}
    backward = {one.id: one.content.text for one in step.apply(reversed(examples), StepReport("reorder"))}
    other = {
        one.id: one.content.text for one in Reorder(ReorderOptions("random"), None, 4).apply(examples, StepReport(""))
    }
    assert forward == backward
    assert forward != other
    assert len(set(forward.values())) > 5


def test_entities_move_with_their_words() -> None:
    words = list(
        sentence("", "Ada/PROPN/3/nsubj Lane/PROPN/1/flat saw/VERB/0/root New/PROPN/5/amod York/PROPN/3/obj").words
    )
    tags = ("B-PER", "I-PER", "O", "B-LOC", "I-LOC")
    made = Sentence(
        tuple(Word(w.form, w.upos, w.head, w.deprel, ner=tag) for w, tag in zip(words, tags, strict=True)),
        "Ada Lane saw New York",
    )
    moved, report = reorder(made, "OVS")
    assert [(word.form, word.ner) for word in moved.words] == [
        ("New", "B-LOC"), ("York", "I-LOC"), ("saw", "O"), ("Ada", "B-PER"), ("Lane", "I-PER"),
    ]  # fmt: skip
    assert report.counts["entities_split"] == 0


def test_cyclic_trees_are_refused_with_the_id() -> None:
    made = sentence("a b", "a/NOUN/0/root b/NOUN/2/obj")
    with pytest.raises(InvalidArgument, match=r"cycle.*'bad-1'"):
        reorder(made, "SOV", name="bad-1")


def test_raw_text_needs_a_parser() -> None:
    with pytest.raises(FailedPrecondition, match=r"example t1.*parser"):
        reorder("John ate.", "SOV", name="t1")
    with pytest.raises(InvalidArgument, match="stanza"):
        Reorder(ReorderOptions("SOV", parser="nobody"), None, 0)


class Table:
    """A parser that knows its sentences by heart."""

    def __init__(self, *sentences: Sentence) -> None:
        self._sentences = {made.text: made for made in sentences}

    def parse(self, text: str, language: str) -> Sequence[Parsed]:
        found, position = [], 0
        while position < len(text):
            made = next(made for raw, made in self._sentences.items() if text.startswith(raw, position))
            spans = [(a + position, b + position) for a, b in align(made.words, made.text) or ()]
            found.append(Parsed(made, position, position + len(made.text), tuple(spans)))
            position += len(made.text)
            while text[position : position + 1].isspace():
                position += 1
        return found


def test_answers_follow_their_tokens_or_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parsing.PARSERS, "stanza", lambda: Table(BROKER, QUESTION, SPANISH))
    context = f"{SPANISH.text}  {BROKER.text}"
    answers = ("the broker", "la manzana", "comido la manzana", "took them out", "brok", "lunch frequently", "Spain")
    content = Question(
        context,
        QUESTION.text,
        tuple(Answer(text, context.find(text)) for text in answers if text in context),
    )
    report = StepReport("reorder")
    step = Reorder(ReorderOptions("OSV", parser="stanza"), None, 0)
    (done,) = step.apply([Example("q", content, "en")], report)
    moved = done.content
    assert moved.context == "la manzana La niña no ha comido.  them the broker took out frequently for lunch They say."
    assert [answer.text for answer in moved.answers] == ["the broker", "la manzana", "brok"]
    for answer in moved.answers:
        assert moved.context[answer.start :][: len(answer.text)] == answer.text
    assert report.counts["answers_kept"] == 3
    assert report.counts["answers_dropped"] == 3
    assert moved.question == "What John did eat in the park?"


def test_an_example_that_loses_its_answers_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parsing.PARSERS, "stanza", lambda: Table(BROKER))
    content = Question(BROKER.text, BROKER.text, (Answer("took them out for", BROKER.text.find("took them out for")),))
    report = StepReport("reorder")
    assert not list(Reorder(ReorderOptions("SOV", parser="stanza"), None, 0).apply([Example("q", content)], report))
    assert report.counts["dropped"] == 1


def test_pairs_and_text_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parsing.PARSERS, "stanza", lambda: Table(BROKER, SPANISH))
    step = Reorder(ReorderOptions("VSO", parser="stanza"), None, 0)
    content = TextPair(SPANISH.text, BROKER.text, "neutral")
    pair, text = step.apply([Example("p", content), Example("t", SPANISH.text)], StepReport("reorder"))
    assert pair.content == TextPair(
        "no ha comido La niña la manzana.", "say They took out frequently the broker them for lunch.", "neutral"
    )
    assert text.content == "no ha comido La niña la manzana."


@pytest.mark.slow
@pytest.mark.parametrize("language", PUD)
def test_pud_goes_through_without_loss(language: str, shared_data: Callable[[str], Path]) -> None:
    every = list(read(shared_data(f"pud/{language}.conllu.gz"), ReadOptions(language=language)))
    assert len(every) == 1000
    examples = spread(every, 10)
    for order in (*ORDERS, "random"):
        report = StepReport("reorder")
        done = list(Reorder(ReorderOptions(order), None, 1).apply(examples, report))
        assert [one.id for one in done] == [one.id for one in examples]
        assert report.counts["moved"] > len(examples) / 5
        for before, after in zip(examples, done, strict=True):
            _assert_whole(before, after)


def _assert_whole(before: Example, after: Example) -> None:
    old, new = before.content.words, after.content.words
    assert Counter((w.form, w.lemma, w.upos, w.feats, w.deprel) for w in old) == Counter(
        (w.form, w.lemma, w.upos, w.feats, w.deprel) for w in new
    )
    assert align(new, after.content.text) is not None, after.id
    tree = tree_of(after.content, after.id)
    assert is_projective(tree), after.id
    end = len(old)
    while end and old[end - 1].upos == "PUNCT" and new[end - 1].upos == "PUNCT":
        end -= 1
    assert [w.form for w in old[end:]] == [w.form for w in new[end:]]
