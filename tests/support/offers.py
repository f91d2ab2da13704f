"""What a mesh of the tests' own offers: all that the registries of the metrics server have."""

from babelscope.data.capabilities import MapMethodInfo, MeasureInfo, OptionInfo, ScoreInfo

from services.metrics.maps import registry as maps
from services.metrics.scores import registry as scores
from services.metrics.similarity import registry as similarity
from services.runtime.options import OptionInfo as Declared


class Offers:
    """The lists of a metrics client."""

    def list_measures(self) -> list[MeasureInfo]:
        return [
            MeasureInfo(name, each.summary, _options(similarity.describe_options(name)), each.estimators)
            for name, each in similarity.MEASURES.items()
        ]

    def list_map_methods(self) -> list[MapMethodInfo]:
        return [
            MapMethodInfo(name, each.summary, _options(maps.describe_options(name)))
            for name, each in maps.METHODS.items()
        ]

    def list_scores(self) -> list[ScoreInfo]:
        return [
            ScoreInfo(name, each.summary, _options(scores.describe_options(name)))
            for name, each in scores.SCORES.items()
        ]


def _options(declared: tuple[Declared, ...]) -> tuple[OptionInfo, ...]:
    return tuple(OptionInfo(each.name, each.summary, each.default, each.required) for each in declared)
