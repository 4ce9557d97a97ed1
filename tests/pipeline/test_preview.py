"""A dry run tells all that is known before training, changes nothing, and says what a fit would cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keiki.backbones.cache import Cache
from keiki.core.errors import KeikiError, RequestError, UnreadableItem
from keiki.data.task import Items
from keiki.engines.plan import Plan
from keiki.pipeline import forecast, preview
from keiki.pipeline.fit import Run, fit
from keiki.pipeline.preview import dry_run
from keiki.pipeline.request import FitRequest

PLAN = Plan(engine_version="tests", threads=1)
Rows = list[tuple[str, str]]


def request(data: Path, **wishes: object) -> FitRequest:
    backbone = "tiny:vision" if data.is_dir() else "tiny:text"
    return FitRequest(data=str(data), **{"backbone": backbone, **wishes})  # type: ignore[arg-type]


def test_a_table_of_texts(
    table: Callable[..., Path], rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "seconds_an_item", lambda *_: 0.5)
    path = table([*rows, (rows[0][0].upper(), rows[0][1]), ("", "red")])
    found = dry_run(request(path), Cache(tmp_path / "cache", 2**30), PLAN)
    facts = found.to_json()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert (facts["task"]["n"], facts["task"]["split"]) == (37, "nested")
    assert facts["task"]["judged_by"] == "5-fold cross-validation of the whole procedure, drawn 3 times"
    assert sum(each["n"] for each in facts["task"]["classes"]) == 37
    assert facts["copies"] == {"exact_sets": 0, "exact_items": 0, "near_sets": 1, "near_items": 2}
    assert facts["skipped"] == {"n": 1, "first": [{"id": "row 38", "reason": "empty text"}]}
    assert facts["cached"] == 0.0
    assert facts["seconds"]["features"] == 37 * 0.5  # one pass, by the backbone that was asked for
    stages = [facts["seconds"][name] for name in ("features", "fit", "controls", "report")]
    assert facts["seconds"]["total"] == pytest.approx(sum(stages), abs=0.3)
    assert min(stages) > 0
    assert "tfidf-logistic" in facts["controls"]
    lines = found.lines()
    assert lines[0].startswith("37 texts of 3 classes: ")
    assert any(line.startswith("skipped: row 38") for line in lines)
    assert lines[-1].startswith("cost: about ")


class Clock:
    """Stands in for `time`: goes on only when somebody works."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


def test_an_item_takes_the_seconds_of_preparing_and_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of five can be read: 5 x 2 s to prepare on two threads, and 4 x 0.25 s in the network, for four items."""
    clock = Clock()

    class Slow:
        def prepare(self, raw: str) -> str:
            clock.now += 2.0
            if raw == "torn":
                raise UnreadableItem("torn")
            return raw

        def cost(self, prepared: str) -> int:
            return len(prepared)

        def open(self) -> None:
            clock.now += 100.0

        def run(self, prepared: list[str]) -> None:
            clock.now += 0.25 * len(prepared)

    slow: Any = Slow()
    monkeypatch.setattr(preview, "time", clock)
    monkeypatch.setattr(preview, "Network", lambda *_: slow)
    backbone: Any = SimpleNamespace(transform=slow)
    sample = Items("text", tuple("abcde"), ("a", "torn", "bb", "c", "d"), tuple("abcde"))
    plan = Plan(engine_version="tests", threads=2)
    found = preview.seconds_an_item(backbone, None, sample, Cache(Path("unused"), 2**30), plan)
    assert found == pytest.approx((5 * 2.0 / 2 + 4 * 0.25) / 4)


def test_pictures_before_and_after_a_fit(
    photos: Path, quick: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "slowness", lambda: 1.0)
    from keiki.backbones.cache import open_cache

    asked = request(photos, test=0.25, controls="none")
    fresh = dry_run(asked, Cache(photos.parent / "fresh", 2**30), PLAN).to_json()
    assert fresh["copies"]["near_sets"] is None
    assert fresh["cached"] == 0.0
    quick(photos)
    from keiki.engines.plan import make_plan

    after = dry_run(asked, open_cache(), make_plan()).to_json()
    assert after["copies"]["near_sets"] == 0
    assert after["cached"] == 1.0
    assert [after["seconds"][name] for name in ("features", "fit", "controls")] == [0.0, 0.0, 0.0]
    assert 0 < after["seconds"]["report"] == after["seconds"]["total"] < fresh["seconds"]["total"]
    more = dry_run(request(photos, test=0.25), open_cache(), make_plan())
    assert more.to_json()["seconds"]["controls"] > 0
    assert more.lines()[-1].startswith("cost: about ")
    assert after["task"]["test"] == 9


def test_what_is_skipped_is_counted_where_not_all_is_listed(
    table: Callable[..., Path], rows: Rows, tmp_path: Path
) -> None:
    path = table([*rows, *[("", "red")] * 5])
    found = dry_run(request(path), Cache(tmp_path / "cache", 2**30), PLAN)
    told = [line for line in found.lines() if line.startswith("skipped: ")]
    assert told[3:] == ["skipped: and 2 more, 5 in all"]
    assert len(found.to_json()["skipped"]["first"]) == 5


def test_what_a_fit_cannot_choose_by_is_refused_as_a_fit_would(table: Callable[..., Path], rows: Rows) -> None:
    path = table([(*row, "x" if i % 3 else "y") for i, row in enumerate(rows)], columns=("text", "label", "who"))
    for test in (None, 0.3):
        with pytest.raises(KeikiError, match="there are 2 groups. It takes 3 groups at least"):
            dry_run(request(path, group="who", test=test))


def test_what_is_trained_by_steps_has_no_time_before_and_that_is_said(texts: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 2**30)
    found = dry_run(request(texts, method="full-finetune", controls="none", test=0.25), cache, PLAN)
    assert found.to_json()["untold"] == ["full-finetune"]
    assert found.lines()[-1] == "cost: training by full-finetune comes on top; nobody knows its time before"
    found = dry_run(request(texts, budget=600.0, controls="none", test=0.25), cache, PLAN)
    assert found.lines()[-1] == "cost: fine-tuning comes on top where it fits into 10 min 0 s in all"


def test_a_slower_machine_takes_longer(texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, cache = request(texts, test=0.25), Cache(tmp_path / "cache", 2**30)
    monkeypatch.setattr(preview, "seconds_an_item", lambda *_: 0.0)
    taken = []
    for pace in (1.0, 3.0):
        monkeypatch.setattr(forecast, "slowness", lambda pace=pace: pace)
        taken.append(dry_run(asked, cache, PLAN).to_json()["seconds"]["total"])
    assert taken[1] == pytest.approx(3 * taken[0], rel=0.05)


def test_nothing_is_written_but_the_cache(texts: Path, tmp_path: Path) -> None:
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    dry_run(request(texts), Cache(tmp_path / "cache", 2**30), PLAN)
    assert {path for path in tmp_path.rglob("*") if "cache" not in path.parts} == before


def test_what_a_fit_refuses_is_refused(texts: Path, tmp_path: Path) -> None:
    with pytest.raises(KeikiError, match="no column 'nobody'"):
        dry_run(request(texts, group="nobody"), Cache(tmp_path / "cache", 2**30), PLAN)
    with pytest.raises(KeikiError, match="judges one class"):
        dry_run(request(texts, metric="f1"), Cache(tmp_path / "cache", 2**30), PLAN)
    with pytest.raises(KeikiError, match="no method 'nothing'"):
        dry_run(request(texts, method="nothing"), Cache(tmp_path / "cache", 2**30), PLAN)


@pytest.mark.parametrize(
    ("method", "option", "told"),
    [
        ("lp-ft", "freeze=nowhere", "no stage 'nowhere'"),
        ("lp-ft", "freeze=-99", "names 99 stages"),
        ("lora", "targets=zzz", "zzz"),
        ("lora", "rank=100000", "'rank' is 100000"),
        ("lora", "reduction=4", "Method 'lora' has no option 'reduction'. .*'adapter'"),
        ("lora", "until=1", "no option 'until'"),
        ("auto", "epochs=1", "'linear-probe', with which 'auto' begins, has no option 'epochs'"),
        ("auto", "hold_back=nothing", "no option 'hold_back'"),
    ],
)
def test_what_the_network_cannot_be_is_refused_before_anything_is_computed(
    method: str, option: str, told: str, texts: Path, tmp_path: Path
) -> None:
    asked = request(texts, method=method, options=(option,))
    with pytest.raises(RequestError, match=told):
        dry_run(asked, Cache(tmp_path / "cache", 2**30), PLAN)
    with pytest.raises(RequestError, match=told):
        fit(texts, method=method, options=[option], backbone="tiny:text", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_newest_part_is_told(table: Callable[..., Path], rows: Rows, tmp_path: Path) -> None:
    dated = [(text, label, f"2024-{1 + i // 6:02d}-{1 + i % 6:02d}") for i, (text, label) in enumerate(rows * 2)]
    dated = [(f"{text} {i}", label, day) for i, (text, label, day) in enumerate(dated)]
    path = table(dated, columns=("text", "label", "day"))
    found = dry_run(request(path, time="day"), Cache(tmp_path / "cache", 2**30), PLAN)
    assert any("the newest part: " in line for line in found.lines())
    assert found.to_json()["task"]["split"] == "held-out"
