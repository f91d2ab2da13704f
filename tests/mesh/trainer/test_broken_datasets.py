"""A stored dataset that is damaged or gone: the job that reads it ends as failed and names it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import babelscope
import pytest
from babelscope import Architecture, Job
from babelscope.corpora.vocabularies import to_examples

from tests.support.pretraining import lines, vocabulary

SMALL = Architecture(layers=1, hidden_size=16, heads=1, feed_forward=16, max_tokens=32)


@dataclass(frozen=True)
class Dataset:
    """A dataset in the store.

    Attributes:
        name: Its name.
        path: Its file.
    """

    name: str
    path: Path


@pytest.fixture
def dataset(mesh: babelscope.LocalMesh) -> Iterator[Dataset]:
    """A dataset that a test may harm; it is whole again afterwards."""
    name = mesh.datagen.put_dataset(lines(40, 77, "sv")).name
    kind, digest = name.split("/")
    path = mesh.logs["trainer"].parent.parent / kind / digest[:2] / digest
    whole = path.read_bytes()
    yield Dataset(name, path)
    path.write_bytes(whole)


def _enter(part: str, mesh: babelscope.LocalMesh, dataset: str) -> Job:
    """Enters a job that reads a dataset and a whole one."""
    whole = mesh.datagen.put_dataset(lines(60, 1)).name
    words = mesh.datagen.put_dataset(list(to_examples(vocabulary()))).name
    match part:
        case "train":
            return mesh.trainer.pretrain_mlm(SMALL, {"en": whole, "sv": dataset}, vocabulary=words, step_tokens=256)
        case "dev":
            return mesh.trainer.pretrain_mlm(SMALL, {"en": whole}, vocabulary=words, dev={"en": dataset})
        case "vocabulary":
            return mesh.trainer.pretrain_static("word2vec", {"en": whole}, vocabulary=dataset)
        case _:
            train = {"en": whole, "sv": dataset}
            return mesh.trainer.pretrain_static("glove", train, vocabulary=words, dimension=4, epochs=1)


def _harm(path: Path, harm: str) -> None:
    whole = path.read_bytes()
    middle = len(whole) // 2
    match harm:
        case "flip":
            path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        case "cut":
            path.write_bytes(whole[:middle])
        case "remove":
            path.unlink()


@pytest.mark.parametrize(
    ("part", "harm", "problem"),
    [
        ("train", "flip", "it is damaged or cut short"),
        ("dev", "remove", "Expected the name of a dataset, but there is none called"),
        ("vocabulary", "cut", "it is damaged or cut short"),
    ],
)
def test_a_job_ends_and_names_the_dataset(
    part: str, harm: str, problem: str, mesh: babelscope.LocalMesh, dataset: Dataset
) -> None:
    _harm(dataset.path, harm)
    job = mesh.trainer.wait_for_job(_enter(part, mesh, dataset.name).name)
    assert job.state == "failed"
    assert job.reason.startswith(f"dataset {dataset.name}: ")
    assert problem in job.reason


def test_a_job_goes_on_once_its_dataset_is_whole_again(mesh: babelscope.LocalMesh, dataset: Dataset) -> None:
    whole = dataset.path.read_bytes()
    _harm(dataset.path, "cut")
    job = mesh.trainer.wait_for_job(_enter("static", mesh, dataset.name).name)
    assert (job.state, dataset.name in job.reason) == ("failed", True)
    dataset.path.write_bytes(whole)
    again = mesh.trainer.wait_for_job(mesh.trainer.retry_job(job.name).name)
    assert (again.state, again.reason) == ("succeeded", "")
