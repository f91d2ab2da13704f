"""References that the parity tests of the metrics service share."""

import importlib.util
import sys
from pathlib import Path

# Test folders are no packages: the references are loaded by path, under a name of their own.
_NAME = "metrics_references"
if _NAME not in sys.modules:
    spec = importlib.util.spec_from_file_location(_NAME, Path(__file__).with_name("references.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)
