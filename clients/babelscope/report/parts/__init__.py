"""How the report shows the sections of a study: one file a section, and one line in the registry."""

from babelscope.report.parts.base import Part
from babelscope.report.parts.registry import PARTS

__all__ = ["PARTS", "Part"]
