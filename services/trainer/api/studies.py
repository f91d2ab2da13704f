"""Messages of studies to plain data, checked field by field, and back."""

import math
from typing import Final

from babelscope.v1 import trainer_pb2

from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.files.store import Store
from services.trainer import specs

MOST_FILES: Final = 1000
MOST_YAML_BYTES: Final = 256 << 10
"""Longest study file: reading YAML takes seconds for a megabyte."""


def read_study(spec: trainer_pb2.StudySpec, field: str, store: Store) -> specs.StudyJob:
    """Reads a StudySpec; its files go to the store.

    Raises:
        InvalidArgument: A field is wrong.
        LimitExceeded: It is too long, or there are too many files.
    """
    if not spec.yaml.strip():
        raise InvalidArgument(f"{field}.yaml", "Expected the contents of a study file, but got none")
    if len(spec.yaml.encode()) > MOST_YAML_BYTES:
        raise LimitExceeded(
            "max_study_bytes", f"Expected a study file of at most {MOST_YAML_BYTES} bytes, but got more"
        )
    if not (spec.deadline_seconds >= 0 and math.isfinite(spec.deadline_seconds)):
        raise InvalidArgument(
            f"{field}.deadline_seconds", f"Expected a finite number of 0 or more, but got {spec.deadline_seconds}"
        )
    if len(spec.files) > MOST_FILES:
        raise LimitExceeded("max_files", f"Expected at most {MOST_FILES} files, but got {len(spec.files)}")
    files: dict[str, str] = {}
    for number, file in enumerate(spec.files):
        if not file.path or file.path in files:
            raise InvalidArgument(f"{field}.files[{number}].path", f"Expected each path once, but got {file.path!r}")
        files[file.path] = store.put("studies", file.gzip)
    return specs.StudyJob(spec.yaml, files, spec.deadline_seconds)


def write_study(study: specs.StudyJob) -> trainer_pb2.StudySpec:
    """A StudySpec, without the contents of its files."""
    return trainer_pb2.StudySpec(
        yaml=study.yaml,
        files=[trainer_pb2.StudyFile(path=path) for path in study.files],
        deadline_seconds=study.deadline_seconds,
    )
