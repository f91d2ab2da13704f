"""Loaded by a template first: whatever is loaded after it and asks for a GPU then fails.

A process that has asked for one can fork none that uses it.
"""

from typing import NoReturn

import torch


def _refuse(*_: object, **__: object) -> NoReturn:
    raise AssertionError("A library asks for a GPU while it is loaded")


for _name in ("is_available", "device_count", "init", "_lazy_init"):
    assert hasattr(torch.cuda, _name)
    setattr(torch.cuda, _name, _refuse)
