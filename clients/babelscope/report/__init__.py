"""A study's report: one page that needs nothing but itself, and figures for a paper."""

from babelscope.report.build import write_report

__all__ = ["write_report"]
