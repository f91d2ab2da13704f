"""Digests change when, and only when, the weights may."""

import hashlib
import os
from pathlib import Path

from services.models.files.digests import file_digest, folder_digest, reinit_digest
from services.models.spec import Reinit


def test_file_digest_is_sha256_and_follows_changes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    assert file_digest(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"three")
    assert file_digest(path) == hashlib.sha256(b"three").hexdigest()


def test_file_digest_follows_files_written_over_with_their_time_kept(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    first = file_digest(path)
    state = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert file_digest(path) != first


def test_folder_digest_sees_names_and_contents_but_no_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    for path in paths[:2]:
        path.write_bytes(b"same")
    paths[2].write_bytes(b"else")
    assert folder_digest(paths) == folder_digest(paths[::-1])
    assert len({folder_digest(paths), folder_digest(paths[:2]), folder_digest([paths[0], paths[2]])}) == 3
    assert folder_digest(paths[:1]) != folder_digest(paths[1:2])


def test_reinit_digest() -> None:
    assert reinit_digest("x", ()) == "x"
    digests = {
        reinit_digest("x", steps)
        for steps in (
            (),
            (Reinit((1,)),),
            (Reinit((1, 2)),),
            (Reinit((1,)), Reinit((2,))),
            (Reinit((1,), seed=1),),
            (Reinit((1,), embeddings=True),),
            (Reinit((1,), scheme="torch_default"),),
        )
    }
    assert len(digests) == 7
    assert reinit_digest("x", (Reinit((2, 1, 1)),)) == reinit_digest("x", (Reinit((1, 2)),))
    assert reinit_digest("y", (Reinit((1,)),)) != reinit_digest("x", (Reinit((1,)),))
