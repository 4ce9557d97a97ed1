"""From cells to docs/tuning.md: means over draws, paired differences with t intervals, goals, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

Facts = Mapping[str, Any]
PROBE, PLAIN, RECIPE = "linear-probe", "full-finetune", "fine-tune"
POINTS = 100
RECIPE_GOAL = -0.5  # points that the recipe may lose on the better of probe and plain fine-tuning
STYLE_GOAL = 2.0  # points that a method must win on full fine-tuning where the style shifts
HEAD = """# Fine-tuning, method by method

Made from `bench/results/tuning.json` by `make bench-tuning`; nothing here is edited by hand. Pictures: OpenMoji in
subgroups, split by base code point, so that no thing stands on both sides. Backbone: EfficientNet-Lite0. Means over
draws; differences are paired by draw, with 95 % t intervals over the draws. Log loss in nats, calibrated as in a fit.
A dash stands for what is missing.
"""
TITLES = {
    "recipe": "The recipe by the size of the data",
    "boundary": "The last three stages of the network, the rest from the cache",
    "unfrozen": "Unfrozen",
    "style": "Learned from colour, judged on line drawings of other things",
}


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences over n draws and its 95 % interval (None from one draw)."""

    value: float
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:+.1f}"
        return f"{self.value:+.1f} ({self.low:+.1f} to {self.high:+.1f})"


def paired(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Difference | None:
    """Ours - theirs over the draws that both have; None where there is none.

    The interval is that of Student's t over the draws. Training pictures of draws overlap, so it is somewhat too short.

    >>> str(paired({0: 1.0, 1: 2.0, 2: 6.0}, {0: 0.0, 1: 0.0, 2: 3.0, 3: 9.0}))
    '+2.0 (-0.5 to +4.5)'
    """
    values = np.array([ours[draw] - theirs[draw] for draw in sorted(ours.keys() & theirs.keys())])
    if not len(values):
        return None
    mean = float(values.mean())
    if len(values) == 1:
        return Difference(mean, None, None, 1)
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Difference(mean, mean - half, mean + half, len(values))


@dataclass(frozen=True)
class Row:
    """One method at one size: facts by draw, draws that are planned, and draws whose cells failed or are stale."""

    method: str
    options: Mapping[str, object]
    found: Mapping[int, Facts]
    planned: int
    errors: Mapping[int, str]
    stale: int

    def by_draw(self, key: str, factor: float = 1.0) -> dict[int, float]:
        return {draw: factor * facts[key] for draw, facts in self.found.items() if facts.get(key) is not None}

    def mean(self, key: str, factor: float = 1.0) -> float | None:
        values = self.by_draw(key, factor)
        return float(np.mean(list(values.values()))) if values else None

    @property
    def draws(self) -> str:
        missing = self.planned - len(self.found)
        told = [f"{missing} missing"] * bool(missing) + [f"{self.stale} stale"] * bool(self.stale)
        return f"{len(self.found)}" + (f" ({', '.join(told)})" if told else "")


def page(content: Facts) -> str:
    """The whole page from what bench/results/tuning.json holds, and nothing else."""
    found = {
        (suite, each): rows_of(content, suite, each)
        for suite, planned in content["plan"].items()
        for each in planned["sizes"]
    }
    parts = [HEAD, _state(content, [row for rows in found.values() for row in rows.values()])]
    for suite, planned in content["plan"].items():
        parts.append(f"## {TITLES[suite]}\n")
        for each in planned["sizes"]:
            rows = found[suite, each]
            parts += [f"### {each} a class\n", _table(suite, rows), *_goals(suite, rows), *_errors(rows)]
    return "\n".join(parts).rstrip() + "\n"


def rows_of(content: Facts, suite: str, each: int) -> dict[str, Row]:
    """Method -> row of one suite at one size."""
    planned = content["plan"][suite]
    rows = {}
    for method, options in planned["rows"].items():
        names = {draw: f"{suite}/{method}/{each}/{draw}" for draw in range(planned["draws"])}
        met = {draw: content["cells"][name] for draw, name in names.items() if name in content["cells"]}
        met = {draw: facts for draw, facts in met.items() if facts["options"] == options}
        found = {draw: facts for draw, facts in met.items() if "error" not in facts}
        errors = {draw: str(facts["error"]) for draw, facts in met.items() if "error" in facts}
        stale = sum(facts["code"] != content["code"] for facts in found.values())
        rows[method] = Row(method, options, found, planned["draws"], errors, stale)
    return rows


def _table(suite: str, rows: Mapping[str, Row]) -> str:
    probe = rows[PROBE]
    colour = suite == "style"
    head = ["method", "options", "draws", "accuracy", "against the probe, points", "log loss", "against the probe"]
    head += ["accuracy in colour"] if colour else []
    head += ["seconds"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in sorted(rows.values(), key=lambda row: -(row.mean("accuracy") or -1)):
        own = row.method == PROBE
        points = paired(row.by_draw("accuracy", POINTS), probe.by_draw("accuracy", POINTS))
        nats = paired(row.by_draw("log_loss"), probe.by_draw("log_loss"))
        cells = [
            f"`{row.method}`",
            " ".join(f"{name}={value}" for name, value in row.options.items()),
            row.draws,
            _percent(row.mean("accuracy", POINTS)),
            "" if own else _or_dash(points),
            _number(row.mean("log_loss"), ".3f"),
            "" if own else _nats(nats),
            *([_percent(row.mean("in_color_accuracy", POINTS))] if colour else []),
            _number(_median(row.by_draw("seconds")), ".1f"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _goals(suite: str, rows: Mapping[str, Row]) -> Iterator[str]:
    """What was promised of these rows, and whether it holds."""
    if suite == "recipe":
        yield recipe_goal(rows) + "\n"
    if suite == "style":
        yield style_goal(rows) + "\n"


def recipe_goal(rows: Mapping[str, Row]) -> str:
    """The recipe against the better of probe and plain fine-tuning, which is the one with the higher mean."""
    ours = rows[RECIPE].by_draw("accuracy", POINTS) if RECIPE in rows else {}
    rivals = {name: rows[name].by_draw("accuracy", POINTS) for name in (PROBE, PLAIN) if name in rows}
    common = set(ours).intersection(*rivals.values())
    goal = (
        f"Goal: the recipe at least {RECIPE_GOAL} points to the better of probe and plain fine-tuning, interval above 0"
    )
    if not common or len(rivals) < 2:
        return f"{goal}. **Missing.**"
    better = max(rivals, key=lambda name: np.mean([rivals[name][draw] for draw in common]))
    found = paired({draw: ours[draw] for draw in common}, rivals[better])
    assert found is not None  # there are common draws
    reached = found.value >= RECIPE_GOAL and found.high is not None and found.high > 0
    return f"{goal}. Against `{better}`: {found} points over {found.n} draws: **{_verdict(rows[RECIPE], reached)}**."


def style_goal(rows: Mapping[str, Row]) -> str:
    """LP-FT and WiSE-FT against full fine-tuning; one of them has to win."""
    goal = f"Goal: `lp-ft` or `wise-ft` at least {STYLE_GOAL} points above `{PLAIN}`"
    against = rows[PLAIN].by_draw("accuracy", POINTS) if PLAIN in rows else {}
    found = {
        name: difference
        for name in ("lp-ft", "wise-ft")
        if name in rows and (difference := paired(rows[name].by_draw("accuracy", POINTS), against)) is not None
    }
    if not found:
        return f"{goal}. **Missing.**"
    best = max(found, key=lambda name: found[name].value)
    told = ", ".join(f"`{name}` {difference}" for name, difference in found.items())
    return f"{goal}. Found: {told} points: **{_verdict(rows[best], found[best].value >= STYLE_GOAL)}**."


def _verdict(row: Row, reached: bool) -> str:
    """A claim needs all draws that were planned."""
    if len(row.found) < row.planned:
        return f"not yet known, {row.planned - len(row.found)} of {row.planned} draws are missing"
    return "reached" if reached else "not reached"


def _errors(rows: Mapping[str, Row]) -> Iterator[str]:
    told = [f"- `{row.method}`, draw {draw}: {text}" for row in rows.values() for draw, text in row.errors.items()]
    if told:
        yield "Failed:\n\n" + "\n".join(told) + "\n"


def _state(content: Facts, rows: Sequence[Row]) -> str:
    """Machine and sources, and how much of the plan is there."""
    whole = [facts for row in rows for facts in row.found.values()]
    planned, failed = sum(row.planned for row in rows), sum(len(row.errors) for row in rows)
    lines = [
        f"{len(whole)} of {planned} cells are measured, {planned - len(whole)} are missing ({failed} have failed)."
    ]
    if stale := sum(row.stale for row in rows):
        lines.append(f"{stale} are stale: measured by other code than the newest (`--stale` measures them again).")
    if whole:
        loads = [facts["load"] for facts in whole]
        machine = content["machine"]
        versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
        commits = ", ".join(sorted({facts["commit"] for facts in whole}))
        vectors = ", ".join(sorted({facts.get("vectors", "vectors not noted") for facts in whole}))
        lines.append(f"{machine['cpu']}, {machine['cores']} cores ({vectors}); load {min(loads)} to {max(loads)};")
        lines.append(f"{versions}; {', '.join(machine['data'].values())}; measured at {commits}.")
    return "\n".join(lines) + "\n"


def _median(values: Mapping[int, float]) -> float | None:
    return float(np.median(list(values.values()))) if values else None


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} %"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _or_dash(difference: Difference | None) -> str:
    return "–" if difference is None else str(difference)


def _nats(found: Difference | None) -> str:
    if found is None:
        return "–"
    ends = "" if found.low is None or found.high is None else f" ({found.low:+.3f} to {found.high:+.3f})"
    return f"{found.value:+.3f}{ends}"
