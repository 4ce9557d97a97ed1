"""From cells to figures: what was measured, its interval, the figure to reach, and whether it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.ratios import Estimate, mean_difference, median, median_ratio

Cell = Mapping[str, Any]
Store = Mapping[str, Cell]
GIB = 2**30
DRAWS = 10  # that a claim about accuracy needs
ENGINE_GOALS = {"efficientnet-lite0": 4.0, "minilm-l6": 1.4}  # times faster than eager torch


@dataclass(frozen=True)
class Figure:
    """One row. `goal`: ('<=', 0.1) and the like, None where a row only informs; `needed`: measurements for a yes."""

    name: str
    unit: str
    estimate: Estimate
    goal: tuple[str, float] | None = None
    needed: int = 1

    @property
    def reached(self) -> bool | None:
        if self.goal is None:
            return None
        sign, limit = self.goal
        value = self.estimate.value
        holds = {"<=": value <= limit, "<": value < limit, ">=": value >= limit, ">": value > limit}[sign]
        return None if holds and self.estimate.n < self.needed else holds

    def to_json(self) -> dict[str, Any]:
        goal = None if self.goal is None else " ".join(map(str, self.goal))
        return {"name": self.name, "unit": self.unit, **asdict(self.estimate), "goal": goal, "reached": self.reached}


def figures(cells: Store) -> list[Figure]:
    """All figures that the cells allow; a figure whose cells are missing is left out."""
    parts = (against_fastai, against_sklearn, second_fits, noise, engine_figures, starts, fashion, reports, flatness)
    return [figure for part in parts for figure in part(cells)]


def named(cells: Store, prefix: str) -> list[Cell]:
    """The cells whose name is `prefix` and one more piece.

    >>> named({"fit-0": {"a": 1}, "fit-10": {"a": 2}, "fit-0-0": {}, "fits-1": {}}, "fit")
    [{'a': 1}, {'a': 2}]
    """
    return [cell for name, cell in cells.items() if name.rpartition("-")[0] == prefix]


def against_fastai(cells: Store) -> Iterator[Figure]:
    draws = named(cells, "fastai")
    if not draws:
        return
    together = [each for each in draws if "fastai_commit" not in each]  # only these tell of time
    ours = [each["keiki"]["first"]["wall"] for each in together]
    theirs = [each["fastai"]["wall"] for each in together]
    lean = [each["fastai"]["wall"] - each["fastai"]["validation_seconds"] for each in together]
    yield Figure(
        "fit / fastai fine_tune(10), its validations not counted",
        "ratio of wall time",
        median_ratio(ours, lean),
        ("<=", 0.1),
    )
    yield Figure("fit / fastai fine_tune(10), as it runs", "ratio of wall time", median_ratio(ours, theirs))
    yield Figure("fastai fine_tune(10), as it runs", "s", median(theirs))
    gain = mean_difference(*(_percent(each[who] for each in draws) for who in ("keiki", "fastai")))
    yield Figure("accuracy of fit - fastai", "points", _exact(gain), (">=", 0.0), DRAWS)


def against_sklearn(cells: Store) -> Iterator[Figure]:
    draws = named(cells, "fit")
    if not draws:
        return
    ours = [each["keiki"]["first"]["wall"] for each in draws]
    for who, words in (("sklearn", ""), ("sklearn_jobs", ", n_jobs=-1")):
        theirs = [each[who]["wall"] for each in draws]
        goal = ("<=", 1.0) if who == "sklearn" else None
        yield Figure(f"fit / LogisticRegressionCV{words}", "ratio of wall time", median_ratio(ours, theirs), goal)
        yield Figure(f"LogisticRegressionCV on eager embeddings{words}", "s", median(theirs))
    yield Figure("fit, 300 pictures, 16 classes, controls and report included", "s", median(ours))
    yield Figure("accuracy of fit", "%", median(_percent(each["keiki"] for each in draws)))
    gain = mean_difference(*(_percent(each[who] for each in draws) for who in ("keiki", "sklearn")))
    yield Figure("accuracy of fit - LogisticRegressionCV", "points", _exact(gain), (">=", 0.0), DRAWS)


def second_fits(cells: Store) -> Iterator[Figure]:
    small = [each[who] for each in named(cells, "fit") for who in ("keiki", "keiki_again")]
    for fits, name, goal in ((small, "300 pictures", 1 / 3), (named(cells, "fashion"), "10,000 pictures", 0.1)):
        if fits:
            ratio = median_ratio(*([each[which]["wall"] for each in fits] for which in ("second", "first")))
            yield Figure(f"second fit / first fit, {name}", "ratio of wall time", ratio, ("<=", goal))


def noise(cells: Store) -> Iterator[Figure]:
    """What a ratio of a thing to itself looks like here: smaller differences are not claimed."""
    if draws := named(cells, "fit"):
        twins = median_ratio(*([each[who]["first"]["wall"] for each in draws] for who in ("keiki", "keiki_again")))
        yield Figure("A/A: fit / fit", "ratio of wall time", twins)
    for backbone in ENGINE_GOALS:
        if cell := cells.get(f"engine-{backbone}"):
            yield Figure(f"A/A: {backbone} / itself", "ratio of time", median_ratio(*_sides(cell["twins"])))


def engine_figures(cells: Store) -> Iterator[Figure]:
    for backbone, goal in ENGINE_GOALS.items():
        if cell := cells.get(f"engine-{backbone}"):
            ours, theirs = _sides(cell["pairs"])
            batches = f"in batches of 32 / engine in keiki's, {cell['threads']} threads"
            name = f"{backbone}: eager torch fp32 {batches}"
            yield Figure(name, "times faster", median_ratio(theirs, ours), (">=", goal))
            if same := cell.get("same_batches"):
                yield Figure(f"{backbone}: the same, both on keiki's batches", "times faster", _times_faster(same))
            speeds = [cell["items"] / seconds for seconds in ours]
            yield Figure(f"{backbone} through the engine", "items/s", median(speeds))


def _times_faster(pairs: list[list[float]]) -> Estimate:
    ours, theirs = _sides(pairs)
    return median_ratio(theirs, ours)


def starts(cells: Store) -> Iterator[Figure]:
    rows = (
        ("help", "keiki --help", 0.5),
        ("predict-picture", "keiki predict, one picture, new process", 1.0),
        ("predict-text", "keiki predict, one text, new process", 1.0),
    )
    for cell, name, goal in rows:
        if found := cells.get(f"start-{cell}"):
            yield Figure(name, "s", median([run["wall"] for run in found["runs"]]), ("<", goal))


def fashion(cells: Store) -> Iterator[Figure]:
    fits = named(cells, "fashion")
    if not fits:
        return
    first = [each["first"] for each in fits]
    yield Figure("Fashion-MNIST, linear-probe, accuracy", "%", median(_percent(fits)), (">", 87.0))
    memory = [max(fit["peak_memory_bytes"], fit["rss"]) / GIB for fit in first]
    yield Figure("Fashion-MNIST, fit, peak memory", "GiB", median(memory), ("<", 1.5))
    yield Figure("Fashion-MNIST, first fit", "s", median([fit["wall"] for fit in first]))


def reports(cells: Store) -> Iterator[Figure]:
    for name in sorted(
        (name for name in cells if name.startswith("report-")), key=lambda name: int(name.split("-")[1])
    ):
        spent = cells[name]["seconds"]
        beside = spent["health"] + spent["report"]
        share = Estimate(100 * beside / (spent["total"] - beside), None, None, 1)
        words = f"health and report beside the rest of a fit, folds of {int(name.split('-')[1]):,} pictures"
        yield Figure(words, "%", share, ("<=", 30.0))
    for name in (name for name in cells if name.startswith("page-")):
        size = Estimate(cells[name]["report_bytes"] / 1e6, None, None, 1)
        yield Figure(f"report of {int(name.split('-')[1]):,} test pictures", "MB", size, ("<", 3.0))


def flatness(cells: Store) -> Iterator[Figure]:
    """Speed and memory of the feature pass at each N, and the largest N over the smallest."""
    sizes = sorted({int(name.split("-")[1]) for name in cells if name.startswith("pass-")})
    passes = {n: named(cells, f"pass-{n}") for n in sizes}
    for n, runs in passes.items():
        yield Figure(f"feature pass, N = {n:,}", "items/s", median(_speeds(runs)))
        yield Figure(f"feature pass, N = {n:,}, peak memory", "GiB", median(_memory(runs)))
    if len(sizes) > 1:
        small, large = passes[sizes[0]], passes[sizes[-1]]
        words = f"N = {sizes[-1]:,} / N = {sizes[0]:,}"
        speed = Estimate(_ratio(_speeds, large, small), None, None, len(large))
        memory = Estimate(_ratio(_memory, large, small), None, None, len(large))
        yield Figure(f"feature pass, items/s, {words}", "ratio", speed, (">=", 0.9))
        yield Figure(f"feature pass, peak memory, {words}", "ratio", memory, ("<=", 1.1))


def markdown(rows: Sequence[Figure], machine: Mapping[str, Any]) -> str:
    """The table as a page."""
    head = ["# Quick figures", "", "Made by `make bench-quick` from `bench/results/cells`; do not edit.", ""]
    facts = [
        f"{machine['cpu']}, {machine['cores']} cores; load {machine['load']['least']} to {machine['load']['most']}; "
        f"measured at {', '.join(commit[:9] for commit in machine['commits'])}",
        "",
    ]
    facts += [
        "Medians (accuracies: means of paired differences) with 95 % bootstrap intervals where there are 5 or more",
        "measurements. A difference smaller than the A/A rows show is no claim.",
        "",
    ]
    table = ["| figure | measured | interval | n | to reach | reached |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *facts, *table, *(_row(figure) for figure in rows)]) + "\n"


def _row(figure: Figure) -> str:
    found = figure.estimate
    interval = "" if found.low is None or found.high is None else f"{_short(found.low)} to {_short(found.high)}"
    goal = "" if figure.goal is None else f"{figure.goal[0]} {_short(figure.goal[1])}"
    undecided = f"open, {found.n} of {figure.needed}" if figure.goal else ""
    verdict = {True: "yes", False: "**no**", None: undecided}[figure.reached]
    return f"| {figure.name} | {_short(found.value)} {figure.unit} | {interval} | {found.n} | {goal} | {verdict} |"


def _exact(gain: Estimate) -> Estimate:
    """The gain without the rounding errors of its sum, which must not decide about 'at least 0'."""
    return replace(gain, value=round(gain.value, 9))


def _short(number: float) -> str:
    """Three digits that matter.

    >>> _short(0.33333), _short(1234.5), _short(79.04)
    ('0.333', '1,234', '79')
    """
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def _percent(fits: Any) -> list[float]:
    return [100 * (fit.get("first") or fit)["accuracy"] for fit in fits]


def _sides(pairs: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    return [left for left, _ in pairs], [right for _, right in pairs]


def _speeds(runs: Sequence[Cell]) -> list[float]:
    return [run["items"] / run["seconds"] for run in runs]


def _memory(runs: Sequence[Cell]) -> list[float]:
    return [run["rss"] / GIB for run in runs]


def _ratio(of: Callable[[Sequence[Cell]], list[float]], large: Sequence[Cell], small: Sequence[Cell]) -> float:
    return median(of(large)).value / median(of(small)).value
