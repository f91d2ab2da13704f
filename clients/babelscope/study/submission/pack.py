"""A study file and all that it names, without files of this machine."""

import gzip
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from babelscope.data.atomic import write_atomically
from babelscope.data.texts import Text
from babelscope.errors import StudyError
from babelscope.study.nodes import StudyFiles, read_yaml
from babelscope.study.schema import load_study
from babelscope.study.texts import read_texts
from babelscope.v1 import trainer_pb2

_MOST_BYTES: Final = 3 << 20
"""Bytes of the further files of a study, compressed: they travel in one message."""


@dataclass(frozen=True, slots=True)
class PackedStudy:
    """A study without files of this machine.

    Attributes:
        contents: Contents of the study file, without its corpus.
        corpus: Texts by language; empty where the corpus is stored or comes with the package.
        files: Further files that it names, by their paths in it.
    """

    contents: Mapping[str, Any]
    corpus: Mapping[str, tuple[Text, ...]]
    files: Mapping[str, Path]

    def request(self, datasets: Mapping[str, str], deadline: float) -> trainer_pb2.Job:
        """The job, once the corpus is stored.

        Args:
            datasets: Names of the stored texts by language.
            deadline: Seconds that it may take; no bound where 0.

        Raises:
            StudyError: The further files are too large for a message.
        """
        contents = {**self.contents, "corpus": {"datasets": dict(datasets)}} if datasets else self.contents
        files = [
            trainer_pb2.StudyFile(path=name, gzip=gzip.compress(path.read_bytes(), mtime=0))
            for name, path in self.files.items()
        ]
        size = sum(len(file.gzip) for file in files)
        if size > _MOST_BYTES:
            raise StudyError(
                f"Expected the files of the study besides its corpus to have at most {_MOST_BYTES} bytes compressed, "
                f"but got {size}: fine-tuning may name stored datasets in their place"
            )
        text = yaml.safe_dump(contents, sort_keys=False, allow_unicode=True)
        return trainer_pb2.Job(study=trainer_pb2.StudySpec(yaml=text, files=files, deadline_seconds=deadline))


def pack_study(study: Path | str | Mapping[str, Any]) -> PackedStudy:
    """Reads a study and all that it names.

    Args:
        study: A study file, or its contents as YAML gives them; relative paths start at the file's folder, or else at
            the working directory.

    Raises:
        CorpusError: A file cannot be read.
        StudyError: It does not follow the schema.
    """
    if isinstance(study, Mapping):
        with TemporaryDirectory(dir=Path.cwd(), prefix=".study-") as folder:
            path = Path(folder) / "study.yaml"
            write_atomically(path, yaml.safe_dump(dict(study), allow_unicode=True))
            return pack_study(path)
    files = StudyFiles()
    path = Path(study)
    contents = read_yaml(path).value
    design = load_study(path, files=files)
    if design.models:
        # Variables in their names are those of this machine.
        said = [{key: value for key, value in asdict(model).items() if value} for model in design.models]
        contents = {**contents, "models": said}
    if design.corpus.datasets:
        return PackedStudy(contents, {}, files.named)
    texts = read_texts(design, lambda: None)
    own = {Path(each) for each in design.corpus.files.values()}
    named = {name: each for name, each in files.named.items() if each not in own}
    return PackedStudy(contents, texts.corpus.texts, named)
