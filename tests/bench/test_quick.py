"""The arithmetic behind bench/results/quick.json, against slow and obvious versions."""

import doctest
import json
from pathlib import Path

import numpy as np
import pytest

from bench import data, ratios, table
from bench.cells import Cells
from bench.data import deal, shares
from bench.suites import in_random_order


def fit(wall, accuracy=0.8, **more):
    return {"wall": wall, "accuracy": accuracy, "rss": 2**30, "peak_memory_bytes": 2**29, **more}


def fits(first, second=1.0, accuracy=0.8):
    return {"first": fit(first, accuracy), "second": fit(second, accuracy)}


@pytest.mark.parametrize("module", [data, ratios, table])
def test_doctests(module):
    assert doctest.testmod(module).failed == 0


def test_median_ratio_is_that_of_pairs_not_of_medians():
    ours, theirs = [1.0, 10.0, 3.0], [10.0, 1.0, 3.0]
    assert ratios.median_ratio(ours, theirs).value == sorted(a / b for a, b in zip(ours, theirs, strict=True))[1]


def test_interval_agrees_with_a_slow_bootstrap():
    values = np.random.default_rng(7).normal(5, 1, 12)
    rng = np.random.default_rng(1)
    slow = np.quantile([np.median(rng.choice(values, 12)) for _ in range(4000)], (0.025, 0.975))
    found = ratios.median(values)
    assert (found.low, found.high) == pytest.approx(slow, abs=0.08)  # resampling error of the witness
    assert found.low <= found.value <= found.high


def test_interval_of_a_mean_agrees_with_the_normal_one():
    ours = np.random.default_rng(3).normal(2, 1, 200)
    found = ratios.mean_difference(ours, np.zeros(200))
    half = 1.96 * ours.std() / np.sqrt(200)
    assert (found.low, found.high) == pytest.approx((ours.mean() - half, ours.mean() + half), abs=0.02)


def test_too_few_measurements_have_no_interval():
    assert ratios.median([1.0, 2.0, 3.0, 4.0]) == ratios.Estimate(2.5, None, None, 4)
    assert ratios.median([1.0, 2.0, 3.0, 4.0, 5.0]).low is not None


def test_same_cells_give_the_same_table():
    assert ratios.median([1, 5, 2, 4, 9, 3]) == ratios.median([1, 5, 2, 4, 9, 3])


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [1.0, 2.0]), ([], [])])
def test_unpaired_values_are_refused(ours, theirs):
    with pytest.raises(ValueError, match="pairs need"):
        ratios.median_ratio(ours, theirs)


def test_no_cells_no_figures():
    assert table.figures({}) == []


def test_fastai_is_not_charged_for_validating():
    cells = {"fastai-0": {"keiki": fits(10.0), "fastai": fit(120.0, 0.7, validation_seconds=20.0)}}
    by_name = {figure.name: figure for figure in table.against_fastai(cells)}
    goal = by_name["fit / fastai fine_tune(10), its validations not counted"]
    assert goal.estimate.value == pytest.approx(0.1)
    assert goal.reached
    assert by_name["accuracy of fit - fastai"].estimate.value == pytest.approx(10.0)


def test_a_miss_is_called_a_miss():
    cells = {f"fit-{i}": {who: fits(10.0, 5.0, 0.7) for who in ("keiki", "keiki_again")} for i in range(5)}
    for cell in cells.values():
        cell.update(sklearn=fit(8.0, 0.75), sklearn_jobs=fit(20.0, 0.75))
    by_name = {figure.name: figure for figure in table.figures(cells)}
    assert by_name["fit / LogisticRegressionCV"].reached is False
    assert by_name["accuracy of fit - LogisticRegressionCV"].reached is False
    assert by_name["second fit / first fit, 300 pictures"].reached is False
    assert by_name["fit / LogisticRegressionCV, n_jobs=-1"].reached is None
    assert by_name["A/A: fit / fit"].estimate.value == 1.0


def test_flatness_compares_the_largest_n_with_the_smallest():
    cells = {
        f"pass-{n}-{i}": {"items": n, "seconds": n / speed, "rss": memory * table.GIB}
        for n, speed, memory in ((1000, 100, 0.5), (10_000, 80, 0.6))
        for i in range(3)
    }
    found = {figure.name: figure for figure in table.flatness(cells)}
    assert found["feature pass, items/s, N = 10,000 / N = 1,000"].estimate.value == pytest.approx(0.8)
    assert not found["feature pass, items/s, N = 10,000 / N = 1,000"].reached
    assert found["feature pass, peak memory, N = 10,000 / N = 1,000"].estimate.value == pytest.approx(1.2)


def test_engine_is_as_many_times_faster_as_torch_takes_longer():
    cell = {"pairs": [[1.0, 5.0]] * 6, "twins": [[1.0, 1.0]] * 6, "threads": 2, "items": 64}
    speed, items = table.engine_figures({"engine-efficientnet-lite0": cell})
    assert (speed.estimate.value, speed.reached, items.estimate.value) == (5.0, True, 64.0)


def test_the_page_has_a_row_a_figure():
    rows = [table.Figure("help", "s", ratios.median([0.2, 0.3, 0.25, 0.2, 0.3]), ("<", 0.5))]
    page = table.markdown(
        rows, {"cpu": "c", "cores": 2, "load": {"least": 0.1, "most": 0.2}, "commits": ["0123456789ab"]}
    )
    assert page.splitlines()[-1] == "| help | 0.25 s | 0.2 to 0.3 | 5 | < 0.5 | yes |"


def test_a_cell_is_measured_once(tmp_path: Path):
    made = []
    for fresh in (False, False, True):
        cells = Cells(tmp_path, fresh=fresh, say=lambda line: None)
        cells.measure("one", lambda: made.append(1) or {"value": len(made)})
    assert cells.read()["one"]["value"] == len(made) == 2
    assert json.loads((tmp_path / "one.json").read_text())["load"].keys() == {"before", "after"}


def test_order_is_drawn_and_kept():
    seen = []
    ways = {name: lambda name=name: seen.append(name) or {"at": len(seen)} for name in "abcd"}
    found = in_random_order(ways, seed=3)
    assert found["order"] == seen
    assert list(found) == ["order", "a", "b", "c", "d"]


def test_a_group_stands_on_one_side():
    groups = [[f"{i}-{j}" for j in range(i % 4 + 1)] for i in range(30)]
    one, two = deal(groups, 11, 23)
    assert (len(one), len(two)) == (11, 23)
    assert not {name.split("-")[0] for name in one} & {name.split("-")[0] for name in two}
    assert sum(shares(118, 16)) == 118


def test_a_yes_needs_enough_measurements_and_a_no_does_not() -> None:
    good = table.Figure("gain", "points", ratios.median([5.0]), (">=", 0.0), needed=10)
    bad = table.Figure("gain", "points", ratios.median([-5.0]), (">=", 0.0), needed=10)
    assert good.reached is None
    assert bad.reached is False
    assert (
        table.markdown([good], {"cpu": "x", "cores": 1, "load": {"least": 0, "most": 0}, "commits": []})
        .rstrip()
        .endswith("open, 1 of 10 |")
    )


def test_what_was_measured_beside_old_results_tells_of_accuracy_and_not_of_time():
    both = {"keiki": fits(10.0, accuracy=0.8), "fastai": fit(120.0, 0.7, validation_seconds=20.0)}
    alone = {
        "keiki": fits(99.0, accuracy=0.6),
        "fastai": fit(120.0, 0.6, validation_seconds=20.0),
        "fastai_commit": "0",
    }
    by_name = {figure.name: figure for figure in table.against_fastai({"fastai-0": both, "fastai-1": alone})}
    assert by_name["fit / fastai fine_tune(10), as it runs"].estimate.value == pytest.approx(10 / 120)
    assert by_name["accuracy of fit - fastai"].estimate.value == pytest.approx(5.0)


def test_health_and_report_are_set_against_the_rest_of_the_fit():
    cells = {
        "report-1000": {"seconds": {"total": 26.0, "health": 2.0, "report": 4.0}},
        "page-10000": {"report_bytes": 400_000},
    }
    share, page = table.reports(cells)
    assert (share.estimate.value, share.reached) == (pytest.approx(30.0), True)
    assert (page.estimate.value, page.unit, page.reached) == (0.4, "MB", True)
