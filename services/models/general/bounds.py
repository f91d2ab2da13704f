"""How many parts a model that a configuration describes may have, seen while it is made."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

MOST_MODULES: Final = 1 << 15
"""Most modules of a model: of published encoders, X-MOD's with an adapter a language has some ten thousand."""


class TooManyModules(Exception):
    """A configuration describes more modules than any encoder has."""


@contextmanager
def bounded_modules() -> Iterator[None]:
    """Stop the making of a model at MOST_MODULES modules: a count in config.json may make them without an end.

    Counted are the modules that this thread gives to others as parts, within the context.

    Raises:
        TooManyModules: There are more.
    """
    owner, count = threading.get_ident(), 0

    def counted(_: nn.Module, name: str, part: nn.Module | None) -> None:
        nonlocal count
        if threading.get_ident() != owner:
            return
        count += 1
        if count > MOST_MODULES:
            raise TooManyModules(f"it has more than {MOST_MODULES} modules, the most that is accepted")

    handle = register_module_module_registration_hook(counted)
    try:
        yield
    finally:
        handle.remove()
