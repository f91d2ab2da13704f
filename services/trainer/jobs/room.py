"""How many jobs may wait or run at once, of one caller and of all together."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, case, func, select

from services.runtime.errors import LimitExceeded
from services.trainer.jobs.database import alone
from services.trainer.jobs.records import State
from services.trainer.jobs.schema import jobs

_LOCK: Final = 7_305_811_250_941_664
"""Key of the lock under which jobs are entered."""
_OPEN = tuple(state.value for state in State if not state.ended)


@dataclass(frozen=True, slots=True)
class Room:
    """Limits of the job table. A sweep counts with all jobs of its grid from its entry on.

    Attributes:
        jobs: Jobs of all callers that wait or run.
        caller_jobs: Those of one caller.
    """

    jobs: int
    caller_jobs: int

    def check(self, connection: Connection, caller: str, wanted: int) -> None:
        """Refuses jobs for which there is no room.

        Who checks is alone with the table until its transaction ends: calls that come at the same moment would not see
        one another's jobs.

        Args:
            connection: Connection to the database, within the transaction that enters the jobs.
            caller: Who enters them.
            wanted: Number of jobs.

        Raises:
            LimitExceeded: It says how many there are, and how many there may be.
        """
        alone(connection, _LOCK)
        counted = func.sum(jobs.c.size), func.sum(case((jobs.c.caller == caller, jobs.c.size), else_=0))
        row = connection.execute(select(*counted).where(jobs.c.state.in_(_OPEN))).one()
        everybody, own = int(row[0] or 0), int(row[1] or 0)
        if own + wanted > self.caller_jobs:
            raise _full("max_caller_jobs", f"{self.caller_jobs} jobs of one caller", own, wanted)
        if everybody + wanted > self.jobs:
            raise _full("max_jobs", f"{self.jobs} jobs", everybody, wanted)


def _full(setting: str, allowed: str, used: int, wanted: int) -> LimitExceeded:
    return LimitExceeded(
        setting,
        f"Expected at most {allowed} that wait or run, but there are {used} and this is {wanted} more; wait until some "
        "have ended, or cancel them",
    )
