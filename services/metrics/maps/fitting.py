"""Maps of all layers of two views: from tables of rows to objects in the store. No servers here; run it in a thread."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from services.metrics.errors import Degenerate
from services.metrics.estimates.estimates import Check, Progress
from services.metrics.estimates.signature import signature
from services.metrics.maps import artifacts
from services.metrics.maps.base import Fitted, Pairs, Problem
from services.metrics.maps.induction import induce
from services.metrics.maps.plan import MapPlan
from services.metrics.rows.alignment import quoted
from services.metrics.rows.plans import edits_of
from services.metrics.rows.tables import RowTable
from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.files.store import Store

Tell = Callable[[Progress], None]
"""Takes progress, from the thread of the work."""


@dataclass(frozen=True)
class FittedMap:
    """The map of one layer, kept.

    Args:
        layer: Layer that the map belongs to.
        source_map: Name of the source side's move in the store.
        target_map: Name of the target side's map in the store; empty where the target's rows are left as they are.
        trace: The method's criterion after each of its steps.
        dictionary: What the map induces, (source id, target id), mutual nearest neighbours first.
        signature: All settings behind the number, in one line.
        affine: Whether both sides move by a matrix and a bias alone.
        warnings: Warnings.
    """

    layer: int
    source_map: str
    target_map: str
    trace: tuple[float, ...]
    dictionary: tuple[tuple[str, str], ...]
    signature: str
    affine: bool
    warnings: tuple[str, ...] = ()


def fit_maps(
    plan: MapPlan, tables: Sequence[RowTable], store: Store, *, budget: int, check: Check, tell: Tell
) -> Iterator[FittedMap]:
    """Fits one map a layer.

    Args:
        plan: The two views, the method and its options.
        tables: Rows of the source and of the target.
        store: Store that receives the maps.
        budget: Bytes for a layer's rows in float64.
        check: Called between units of work; raises to stop it.
        tell: Takes progress.

    Yields:
        The maps, by layer.

    Raises:
        InvalidArgument: Views, seeds or data that determine no map; the message has n, d, layer and cause.
        LimitExceeded: A layer's rows take more than the budget.
    """
    source, target = tables
    layers = _layers(plan, source, target)
    if source.d != target.d:
        raise InvalidArgument(
            "spec.target",
            f"Expected views of the same dimensions, but got d={source.d} in {plan.views[0].name!r} and d={target.d} "
            f"in {plan.views[1].name!r}",
        )
    size = (len(source.ids) + len(target.ids)) * source.d * 8
    if size > budget:
        raise LimitExceeded(
            "work_bytes",
            f"Expected rows of a layer within {budget} bytes in float64, but n={len(source.ids)}, "
            f"m={len(target.ids)}, d={source.d} take {size}; send the most frequent ones",
        )
    pairs = known_pairs(plan, source.ids, target.ids)
    for number, layer in enumerate(layers):
        check()
        every = slice(0, None)
        problem = Problem(
            source.read(layer, every), target.read(layer, every), pairs, source.ids, target.ids, plan.seed
        )
        where = f"layer {layer}, {number + 1} of {len(layers)}"
        with _located("spec", layer, problem):
            fitted = _fit(plan, problem, check, partial(_told, tell, where))
        with _located("spec.options[csls_k]", layer, problem):
            dictionary = _dictionary(plan, problem, fitted, check)
        line = _signature(plan, tables, fitted)
        source_map, target_map = _kept(plan, tables, layer, fitted, line, store=store)
        affine = artifacts.is_affine(fitted.source) and artifacts.is_affine(fitted.target)
        yield FittedMap(
            layer, source_map, target_map, fitted.trace, dictionary, line, affine=affine, warnings=fitted.warnings
        )


def _layers(plan: MapPlan, source: RowTable, target: RowTable) -> tuple[int, ...]:
    """The layers that both views hold, in order of the source."""
    if set(source.layers) != set(target.layers):
        raise InvalidArgument(
            "spec.target.layers",
            f"Expected the layers of {plan.views[0].name!r}, {', '.join(map(str, source.layers))}, but got "
            f"{', '.join(map(str, target.layers))} in {plan.views[1].name!r}",
        )
    return source.layers


def known_pairs(plan: MapPlan, source: Sequence[str], target: Sequence[str]) -> Pairs:
    """Known translations as rows: those of the request or, where there are none and the method needs some, equal ids.

    Args:
        plan: The request, with its seed dictionary.
        source: Ids of the source rows.
        target: Ids of the target rows.

    Raises:
        InvalidArgument: A seed names no row, or there are no translations at all.
    """
    left, right = ({one: row for row, one in enumerate(ids)} for ids in (source, target))
    for index, pair in enumerate(plan.seeds):
        for side, known, one, view in zip(("source_id", "target_id"), (left, right), pair, plan.views, strict=True):
            if one not in known:
                raise InvalidArgument(
                    f"spec.seeds[{index}].{side}",
                    f"Expected the id of one of the {len(known)} rows of view {view.name!r}, such as "
                    f"{quoted(list(known)[:3])}, but got {one[:80]!r}",
                )
    ids = dict.fromkeys(plan.seeds)
    if not ids and plan.method.supervised:
        ids = {(one, one): None for one in source if one in right}
        if not ids:
            raise InvalidArgument(
                "spec.seeds",
                f"Expected known translations, or ids that both views have, for {plan.method.name}, but got none "
                f"(n={len(left)}, m={len(right)}): {plan.views[0].name!r} has {quoted(source)}, "
                f"{plan.views[1].name!r} has {quoted(target)}",
            )
    return np.array([(left[a], right[b]) for a, b in ids], np.int64).reshape(-1, 2)


def _told(tell: Tell, where: str, done: int, total: int) -> None:
    """Tells of a step of a method."""
    tell(Progress("fit", done, total, where))


@contextmanager
def _located(field: str, layer: int, problem: Problem) -> Iterator[None]:
    """Turns what the mathematics refuses into the request's error."""
    try:
        yield
    except Degenerate as error:
        n, d = problem.source.shape
        raise InvalidArgument(
            field, f"{error.cause}; map at layer {layer} from n={n} to m={len(problem.target)} rows of d={d}"
        ) from error


def _fit(plan: MapPlan, problem: Problem, check: Check, tell: Callable[[int, int], None]) -> Fitted:
    """One layer's map, all of it finite."""
    found = plan.method.fit(problem, plan.options, check=check, tell=tell)
    numbers = (found.source.matrix, found.target.matrix, np.array(found.trace))
    if not all(np.isfinite(each).all() for each in numbers):
        raise Degenerate(f"Expected {plan.method.name} to converge, but its numbers have left the range of doubles")
    return found


def _dictionary(plan: MapPlan, problem: Problem, fitted: Fitted, check: Check) -> tuple[tuple[str, str], ...]:
    """The dictionary that a map induces among the most frequent rows."""
    common = plan.common
    if not common.dictionary:
        return ()
    source = fitted.source.transform(problem.source[: common.vocabulary])
    target = fitted.target.transform(problem.target[: common.vocabulary])
    pairs = induce(source, target, k=common.csls_k, check=check).dictionary(common.dictionary)
    return tuple((problem.source_ids[a], problem.target_ids[b]) for a, b in pairs)


def _kept(
    plan: MapPlan, tables: Sequence[RowTable], layer: int, fitted: Fitted, line: str, *, store: Store
) -> tuple[str, str]:
    """Puts both sides in the store, each with the model and the pooling behind its rows; their names."""
    names = []
    moves = (fitted.source, fitted.target)
    for side, move, view, table in zip(("source", "target"), moves, plan.views, tables, strict=True):
        about = {"side": side, "view": view.name, "layer": layer, "signature": line, "pooling": view.pooling}
        if table.report.model_digest:
            about["digest"] = table.report.model_digest
        stays = side == "target" and artifacts.is_identity(move)
        data = b"" if stays else artifacts.dump(move, about)
        names.append("" if stays else store.put(artifacts.KIND, data, suffix=artifacts.SUFFIX))
    return names[0], names[1]


def _signature(plan: MapPlan, tables: Sequence[RowTable], fitted: Fitted) -> str:
    """All settings behind a map."""
    source, target = tables
    options = {**asdict(plan.options), **asdict(plan.common)}
    return signature(
        {
            "map": plan.method.name,
            **{name: str(value).lower() if isinstance(value, bool) else value for name, value in options.items()},
            "seed": plan.seed,
            "n": len(source.ids),
            "m": len(target.ids),
            "dim": f"{source.d}x{target.d}",
            **fitted.settings,
            "pool": _both(*(view.pooling for view in plan.views)),
            "dtype": _both(*(view.dtype for view in plan.views)),
            "edits": edits_of(plan.views),
            "model": _both(*(table.report.model_digest[:16] for table in tables)),
            "data": _both(*(table.report.data_digest[:16] for table in tables)),
        }
    )


def _both(left: str, right: str) -> str:
    return left if left == right else f"{left}/{right}"
