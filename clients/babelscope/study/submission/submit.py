"""Entering a study as a job of the trainer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

from babelscope.calls.jobs import JobOptions
from babelscope.data.examples import Example
from babelscope.data.jobs import Job
from babelscope.data.texts import Text
from babelscope.study.submission.pack import pack_study


def submit_study(
    study: Path | str | Mapping[str, Any], mesh: Any, *, deadline: float = 0.0, **entry: Unpack[JobOptions]
) -> Job:
    """Enters a study as a job: durable, with progress, its results and report in the store.

    Args:
        study: A study file, or its contents as YAML gives them.
        mesh: Clients of datagen and trainer.
        deadline: Seconds after which the job fails; no bound where 0.
        entry: `request_id`, `priority`, `labels` and `timeout`.

    Raises:
        CorpusError: A file cannot be read.
        StudyError: It does not follow the schema, or its files are too large.
        RpcError: A server answered with an error, or could not be reached for too long.
    """
    packed = pack_study(study)
    stored = {language: mesh.datagen.put_dataset(_examples(texts)).name for language, texts in packed.corpus.items()}
    job: Job = mesh.trainer.create_job(packed.request(stored, deadline), **entry)
    return job


async def submit_study_async(
    study: Path | str | Mapping[str, Any], mesh: Any, *, deadline: float = 0.0, **entry: Unpack[JobOptions]
) -> Job:
    """As `submit_study`, for a mesh of asynchronous clients."""
    packed = pack_study(study)
    stored = {
        language: (await mesh.datagen.put_dataset(_examples(texts))).name for language, texts in packed.corpus.items()
    }
    job: Job = await mesh.trainer.create_job(packed.request(stored, deadline), **entry)
    return job


def _examples(texts: tuple[Text, ...]) -> list[Example]:
    return [Example(text.id, text.text, text.language) for text in texts]
