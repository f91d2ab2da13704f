"""A model in memory with all that a set needs to be scored by it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from babelscope.data.examples import Example

from services.trainer.evaluation.figures import Scorer, SetFigures
from services.trainer.evaluation.prediction import Predictor
from services.trainer.evaluation.sets import PreparedSet, prepare, read
from services.trainer.tasks.base import Cutting


@dataclass(frozen=True, eq=False)
class ReadyModel:
    """A model that can answer.

    Attributes:
        predictor: The encoder with the head.
        cutting: How examples are cut for it.
    """

    predictor: Predictor
    cutting: Cutting

    def prepare(self, examples: Iterable[Example], language: str = "", dataset: str = "") -> PreparedSet:
        """Read and cut a set.

        Raises:
            InvalidArgument: An example is of another kind than the task takes.
            FailedPrecondition: There is no example.
        """
        return prepare(self.predictor.task, self.cutting, read(examples, dataset or "given"), language, dataset)

    def evaluate(
        self,
        examples: Iterable[Example],
        scorer: Scorer,
        *,
        language: str,
        dataset: str,
        check: Callable[[], None] = lambda: None,
        detail: bool = False,
    ) -> SetFigures:
        """Figures of a set with their intervals.

        Args:
            examples: At least one example with a gold answer.
            scorer: Computes them.
            language: Language tag of the set; that of the first example where empty.
            dataset: Name of the dataset.
            check: Called between batches; raises to stop.
            detail: Whether figures of single labels and confusions are wanted as well.

        Raises:
            ServiceError: The examples do not fit the task, or cannot be scored.
        """
        return self.predictor.figures(self.prepare(examples, language, dataset), scorer, check, detail=detail)
