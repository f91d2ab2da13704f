"""What a study can ask besides similarity and retrieval by layer: one file a section, and one line in the registry."""

from babelscope.study.sections.base import Asked, Found, Section, Services, ShowProgress, Task
from babelscope.study.sections.registry import SECTIONS, TRAINED

__all__ = ["SECTIONS", "TRAINED", "Asked", "Found", "Section", "Services", "ShowProgress", "Task"]
