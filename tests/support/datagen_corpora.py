"""Corpora for tests of datagen: texts in many scripts as Hypothesis strategies, a store in memory."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from babelscope.data.examples import Answer, Example, Question
from hypothesis import strategies as st

from services.datagen.counts import StepReport
from services.datagen.datasets.dictionaries import Pair, WordPairs
from services.datagen.transforms.registry import create
from services.runtime.errors import NotFound

ALPHABETS = (
    "abcdeABC '’-.,!",
    "éèç a\u0301e\u0308n\u0303 ßſ",
    "العربيةَُِ ،؟",
    "עבריתָֹ ־",
    "हिन्दीमें शब्दा़् ।",
    "我吃蘋果年語。，",
    "ひらがカタナー゛\u3099。",
    "ภาษาไทยน้ำเ็",
    "한국어조사는 을",
    "👩\u200d👩\u200d👧🏽🇫🇷☕️ ✈",
    "ııİiI gğ",
    "12 3.4٣०",
    "\t\n\u00a0\u2028\u3000 _\u200f",
)

characters = st.one_of(*(st.sampled_from(alphabet) for alphabet in ALPHABETS), st.characters(codec="utf-8"))
texts = st.lists(
    st.one_of(*(st.text(st.sampled_from(alphabet), min_size=1, max_size=12) for alphabet in ALPHABETS), characters),
    max_size=8,
).flatmap(lambda pieces: st.sampled_from([" ".join(pieces), "".join(pieces)]))

LANGUAGES = ("en", "zh", "tr", "th", "ar")


@st.composite
def questions(draw: st.DrawFn, name: str = "q") -> Example:
    """A question about a random text, with answers at random places."""
    context = draw(texts.filter(bool))
    answers = []
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(context) - 1))
        end = draw(st.integers(start + 1, len(context)))
        answers.append(Answer(context[start:end], start))
    language = draw(st.sampled_from(LANGUAGES))
    return Example(name, Question(context, draw(texts), tuple(answers)), language, attributes={"domain": "made"})


@dataclass
class Memory:
    """What transforms ask for, held in memory."""

    pairs: Mapping[str, Iterable[tuple[str, ...]]] = field(default_factory=dict)
    datasets: Mapping[str, list[Example]] = field(default_factory=dict)

    def dictionary(self, reference: str, source: str, target: str) -> WordPairs:
        rows = self.pairs.get(f"{reference}-{target}", self.pairs.get(reference))
        if rows is None:
            raise NotFound("dictionary", reference)
        return WordPairs(
            (Pair(row[0], row[1], float(row[2]) if len(row) > 2 else 1.0) for row in rows),
            source=source,
            name=reference,
        )

    def dataset(self, name: str) -> list[Example]:
        if name not in self.datasets:
            raise NotFound("dataset", name)
        return self.datasets[name]


def transform(
    name: str, examples: Iterable[Example], resources: Memory | None = None, *, seed: int = 0, **options: object
) -> tuple[list[Example], StepReport]:
    """Runs one transform, its options given as a request would."""
    report = StepReport(name)
    step = create(name, {key: str(value) for key, value in options.items()}, resources or Memory(), seed)
    return list(step.apply(list(examples), report)), report


def assert_offsets(examples: Iterable[Example]) -> None:
    """Holds the one thing that every transform must keep."""
    for example in examples:
        if isinstance(example.content, Question):
            for answer in example.content.answers:
                there = example.content.context[answer.start :][: len(answer.text)]
                assert answer.text, example.id
                assert there == answer.text, example.id


def squad(path: Path, language: str) -> list[Example]:
    """The questions of a file in SQuAD's form."""
    root = json.loads(path.read_text(encoding="utf-8"))
    return [
        Example(
            item["id"],
            Question(
                paragraph["context"],
                item["question"],
                tuple(Answer(answer["text"], answer["answer_start"]) for answer in item["answers"]),
            ),
            language,
        )
        for article in root["data"]
        for paragraph in article["paragraphs"]
        for item in paragraph["qas"]
    ]
