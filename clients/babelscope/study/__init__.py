"""Studies: one file that says what is asked, and a result that says how it was answered.

study = load_study("studies/pud-similarity.yaml")
with babelscope.local() as mesh:
    result = run_study(study, mesh, Path("out/pud-similarity"))
"""

from babelscope.study.design import Study
from babelscope.study.execution import Watcher, run_study
from babelscope.study.result import Row, StudyResult
from babelscope.study.schema import Overrides, load_study
from babelscope.study.submission.submit import submit_study, submit_study_async

__all__ = [
    "Overrides",
    "Row",
    "Study",
    "StudyResult",
    "Watcher",
    "load_study",
    "run_study",
    "submit_study",
    "submit_study_async",
]
