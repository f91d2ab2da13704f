"""Makes the model `babelscope/grammar-8` anew: `python scripts/grammar_model.py --out out/grammar-8`.

All text is of the project's grammar. Each language has documents of its own: no two languages ever say the same. Most
documents are code-switched over the grammar's dictionary (Conneau, Wu et al. 2020, section 4.2, "extra anchors"), the
others are left as they are. The word table begins with static vectors of the same text; then the trainer's pretraining
job takes over. docs/own-model.md says why, and what came of it.
"""

import argparse
import itertools
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import babelscope
from babelscope.data.datasets import Step
from babelscope.data.examples import Example
from babelscope.data.jobs import JobEvent
from babelscope.data.jobs.architecture import Architecture
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from services.datagen.grammar.vocabulary import vocabulary
from services.models.families import FAMILIES
from services.runtime.files.folders import fetch_folder
from services.runtime.files.store import Store
from services.trainer.pretraining.start import draw_model
from services.trainer.pretraining.vocabularies import Vocabularies
from services.trainer.static.word_table import static_vectors, write_word_table

LANGUAGES = ("ar", "en", "es", "hi", "ja", "ru", "tr", "zh")
ARCHITECTURE = Architecture("modernbert", layers=6, hidden_size=128, heads=4, feed_forward=192, max_tokens=128)
ARCHITECTURE_DEVIATION = ARCHITECTURE.hidden_size**-0.5
SHARE = 0.85
"""Share of the documents that are code-switched."""
SWITCHED = {"rule": "conneau", "translation": "weighted", "probability": "0.875", "cap": "1"}
"""A word keeps its language as often as it takes each of the seven others."""
DICTIONARY_SENTENCES, DICTIONARY_SEED, SWITCH_SEED = 10_000, 7, 3
TEXT_SEED, MORE_SEED, DEV_SEED, DEV_DOCUMENTS = 1000, 2000, 5000, 60
"""Seeds of the texts of the first language; those of the others follow, so that no two languages share a document."""
START = "start"
_GOLDEN = 0.6180339887
_NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json", "pretraining.json")


@dataclass(frozen=True)
class Text:
    """Texts of one language as datasets of the store, and what the word table is counted from."""

    train: str
    dev: str
    documents: list[str]


def texts(mesh: babelscope.Mesh, tag: str, documents: int, more: int) -> Text:
    """Documents of one language, most of them code-switched, and more of them for the word table alone."""
    place = LANGUAGES.index(tag)
    others = tuple(other for other in LANGUAGES if other != tag)
    asked = {"kind": "dictionary", "seed": DICTIONARY_SEED, "store_as": f"dictionary of {tag}"}
    dictionary = mesh.datagen.generate_corpus((tag, *others), DICTIONARY_SENTENCES, **asked).finish().dataset
    if dictionary is None:
        raise RuntimeError(f"Expected a stored dictionary of {tag}, but got none")
    named = {"dictionary": dictionary.name, "languages": ",".join(others), "source": tag}
    step = Step("code_switch", named | SWITCHED)

    def switched(size: int, seed: int) -> list[Example]:
        written = list(mesh.datagen.generate_corpus((tag,), size, kind="documents", seed=seed + place))
        chosen = [(number * _GOLDEN) % 1 < SHARE for number in range(len(written))]
        plain = [one for one, taken in zip(written, chosen, strict=True) if not taken]
        return [*plain, *mesh.datagen.transform(itertools.compress(written, chosen), [step], seed=SWITCH_SEED)]

    done = switched(documents, TEXT_SEED)
    dev = mesh.datagen.generate_corpus((tag,), DEV_DOCUMENTS, kind="documents", seed=DEV_SEED + place)
    return Text(
        mesh.datagen.put_dataset(done, title=f"grammar {tag}").name,
        mesh.datagen.put_dataset(dev, title=f"grammar {tag}, development").name,
        [_text(one) for one in (*done, *switched(more, MORE_SEED))],
    )


def _text(example: Example) -> str:
    if not isinstance(example.content, str):
        raise TypeError(f"Expected running text, but got {type(example.content).__name__}")
    return example.content


def start(folder: Path, tokenizer_json: str, documents: Iterator[str]) -> None:
    """A new model whose word table is made of static vectors."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    ids = (tokenizer.encode(text, add_special_tokens=False).ids for text in documents)
    vectors = static_vectors(ids, tokenizer.get_vocab_size(), ARCHITECTURE.hidden_size)
    architecture = replace(ARCHITECTURE, initializer_range=ARCHITECTURE_DEVIATION)
    drawn = draw_model(folder, architecture, Vocabularies(tokenizer_json), "the grammar's vocabulary", seed=0)
    family = FAMILIES[architecture.family]
    write_word_table(drawn, family.prefixes[0] + family.word_table, vectors)


def halve(checkpoint: Path, target: Path) -> None:
    """A checkpoint with its weights in float16; the servers compute in float32 all the same."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in _NEEDED:
        shutil.copyfile(checkpoint / name, target / name)
    weights = {name: tensor.astype("float16") for name, tensor in load_file(checkpoint / "model.safetensors").items()}
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    (target / "model.safetensors").chmod(0o644)
    config = json.loads((target / "config.json").read_text(encoding="utf-8")) | {"dtype": "float16"}
    (target / "config.json").write_text(json.dumps(config, ensure_ascii=False, indent=2), encoding="utf-8")


def main() -> None:
    """Makes the model."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, required=True, help="folder for the model")
    options.add_argument("--store", type=Path, default=Path("out/grammar-8-store"), help="store of texts and jobs")
    options.add_argument("--documents", type=int, default=16_000, help="documents of each language")
    options.add_argument("--more", type=int, default=30_000, help="more documents, for the word table alone")
    options.add_argument("--epochs", type=float, default=0.5, help="passes over the texts")
    given = options.parse_args()
    models = given.store / "models"
    with babelscope.local(("metrics", "datagen", "trainer"), store=given.store, model_roots=[models]) as mesh:
        made = {tag: texts(mesh, tag, given.documents, given.more) for tag in LANGUAGES}
        start(models / START, vocabulary(), itertools.chain.from_iterable(made[tag].documents for tag in LANGUAGES))
        ordered = ("en", *(tag for tag in LANGUAGES if tag != "en"))
        job = mesh.trainer.pretrain_mlm(
            START,
            {tag: made[tag].train for tag in ordered},
            dev={tag: made[tag].dev for tag in ordered},
            mask_rate=0.2,
            learning_rate=2e-3,
            warmup=0.05,
            step_tokens=2048,
            epochs=given.epochs,
            evaluations=10,
            dropout=0.0,
        )
        done = mesh.trainer.wait_for_job(job.name, progress=_tell)
        halve(fetch_folder(Store(str(given.store)), done.checkpoint, given.store / "copies"), given.out)


def _tell(event: JobEvent) -> None:
    if event.kind == "progress":
        loss = event.latest.get("loss")
        sys.stdout.write(f"step {event.done} of {event.total}" + ("" if loss is None else f", loss {loss:.3f}") + "\n")


if __name__ == "__main__":
    main()
