"""A fit from files to a bundle: what it leaves behind, what it decides, and what it may never depend on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keiki.artifacts.bundle import Bundle
from keiki.core.errors import RequestError
from keiki.core.files import read_json, sha256_file
from keiki.data.picture import decode
from keiki.pipeline.deliver import WITNESSES
from keiki.pipeline.fit import Run

Fit = Callable[..., Run]
Write = Callable[..., Path]
Rows = list[tuple[str, str]]

# DESIGN section 1, the answer of `keiki fit --json`
BLOCKS: dict[str, type | tuple[type, ...]] = {
    "schema": int,
    "run": str,
    "task": dict,
    "backbone": str,
    "method": str,
    "options": dict,
    "selected_by": str,
    "metric": str,
    "test": dict,
    "transfer": (dict, type(None)),
    "controls": list,
    "adaptation": dict,
    "trainable_share": float,
    "warnings": list,
    "seconds": dict,
    "peak_memory_bytes": int,
    "versions": dict,
    "config": dict,
    "digests": dict,
}


def bundle_digests(run: Run) -> dict[str, str]:
    """SHA-256 of every file of the bundle."""
    return {file.name: sha256_file(file) for file in sorted((run.folder / "bundle").iterdir())}


def timeless(summary: dict[str, Any]) -> dict[str, Any]:
    """run.json without what the clock and the place decide."""
    kept = {k: v for k, v in summary.items() if k not in ("run", "seconds", "peak_memory_bytes", "config")}
    kept["candidates"] = [{k: v for k, v in row.items() if k != "prediction_ms"} for row in summary["candidates"]]
    return kept


def is_interval(found: Any) -> bool:
    return set(found) == {"value", "low", "high"} and found["low"] <= found["value"] <= found["high"]


def test_run_json_is_as_designed(texts: Path, quick: Fit) -> None:
    done = quick(texts, controls="quick")
    found = read_json(done.folder / "run.json")
    assert found == done.summary
    for name, kind in BLOCKS.items():
        assert isinstance(found[name], kind), name
    assert (
        found["task"].items()
        >= {
            "modality": "text",
            "kind": "class",
            "classes": ["blue", "green", "red"],
            "train": 27,
            "val": 0,
            "test": 9,
        }.items()
    )
    assert found["test"]["domain"] == "source"
    assert found["test"]["estimate"] == "held-out"
    for metric in ("accuracy", "macro_f1", "log_loss", "balanced_accuracy", "roc_auc", "brier"):
        assert is_interval(found["test"][metric]), metric
    assert set(found["transfer"]) >= {"verdict", "metric", "against", "difference", "margin"}
    assert {each["method"] for each in found["controls"]} == {"majority", "tfidf-logistic"}
    for each in found["controls"]:
        assert is_interval(each["accuracy"])
        assert is_interval(each["difference"])
    assert found["adaptation"] == {"decision": "not asked", "evidence": "", "method": ""}
    assert set(found["seconds"]) >= {"total", "read", "features", "fit", "controls", "evaluate", "report"}


def test_seconds_are_those_of_the_log(texts: Path, quick: Fit) -> None:
    """A stage lasts until the next one begins; its seconds are kept by another clock than the log's."""
    begun = time.perf_counter()
    done = quick(texts, controls="quick")
    took = time.perf_counter() - begun
    lines = map(json.loads, (done.folder / "log.jsonl").read_text(encoding="utf-8").splitlines())
    stages = [(line["name"], line["at"]) for line in lines if line["event"] == "stage"]
    seconds = dict(done.summary["seconds"])
    total = seconds.pop("total")
    seconds["fit"] += seconds.pop("controls")  # made in one stage, and told apart
    assert set(seconds) == {name for name, _ in stages}
    ends = [*(at for _, at in stages[1:]), total]
    for (name, at), end in zip(stages, ends, strict=True):
        assert seconds[name] == pytest.approx(end - at, abs=0.25), name
    assert sum(seconds.values()) == pytest.approx(total - stages[0][1], abs=0.5)
    assert total <= took
    assert done.summary["seconds"]["controls"] > 0


def test_a_finished_run_has_all_its_files_and_nothing_to_go_on_from(texts: Path, quick: Fit) -> None:
    folder = quick(texts).folder
    names = {each.name for each in folder.iterdir()}
    files = {"run.json", "plan.json", "report.html", "report.json", "log.jsonl", "request.json", "answers.npz"}
    assert names == {*files, "bundle"}
    inside = {each.name for each in (folder / "bundle").iterdir()}
    assert inside >= {"model.safetensors", "model.onnx", "tokenizer.json", "bundle.json", "README.md"}
    for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines():
        assert "event" in json.loads(line)
    assert (folder.parent / "last").resolve() == folder.resolve()


def test_the_trainable_share_is_that_of_the_shipped_model(texts: Path, quick: Fit) -> None:
    assert quick(texts).summary["trainable_share"] == pytest.approx(51 / (51 + 800))  # 3 x 16 + 3, beside 800


def test_the_same_seed_gives_the_same_bits(texts: Path, quick: Fit) -> None:
    first, second = (quick(texts, out, controls="quick", seed=3) for out in ("one", "two"))
    assert bundle_digests(first) == bundle_digests(second)
    assert timeless(first.summary) == timeless(second.summary)


def test_what_is_remembered_changes_no_bit(
    texts: Path, quick: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm = [quick(texts, out, controls="quick") for out in ("one", "two")][1]
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "empty"))
    cold = quick(texts, "cold", controls="quick")
    assert bundle_digests(warm) == bundle_digests(cold)
    assert timeless(warm.summary) == timeless(cold.summary)


@pytest.mark.parametrize("method", ["auto", "lp-ft"])
def test_shuffled_test_labels_change_no_choice_and_no_weight(method: str, rows: Rows, table: Write, quick: Fit) -> None:
    train = table(rows[::2], "train.csv")
    judge = rows[1::2]
    labels = np.random.default_rng(0).permutation([label for _, label in judge])
    true = table(judge, "test.csv")
    shuffled = table(list(zip([text for text, _ in judge], labels, strict=True)), "shuffled.csv")
    options = ["epochs=2"] if method == "lp-ft" else []
    honest, blind = (
        quick(train, out, test=test, controls="quick", method=method, options=options)
        for out, test in (("honest", true), ("blind", shuffled))
    )
    assert honest.summary["test"]["accuracy"] != blind.summary["test"]["accuracy"]
    for name in ("method", "options", "selected_by", "candidates", "thresholds", "trainable_share"):
        assert timeless(honest.summary)[name] == timeless(blind.summary)[name], name
    weights = [
        {name: sha for name, sha in bundle_digests(run).items() if name not in ("README.md", "bundle.json")}
        for run in (honest, blind)
    ]
    assert weights[0] == weights[1]
    facts = [read_json(run.folder / "bundle" / "bundle.json") for run in (honest, blind)]
    for name in ("calibration", "thresholds", "options", "target", "transform"):
        assert facts[0][name] == facts[1][name], name


def test_test_items_are_never_learnt(rows: Rows, table: Write, quick: Fit) -> None:
    done = quick(table(rows[::2], "train.csv"), test=table(rows[1::2], "test.csv"))
    assert done.summary["task"]["split"] == "given"
    assert done.summary["task"]["test"] == 18
    assert len(Bundle.open(done.folder).seen()) == 18


def test_given_validation_items_take_part_but_do_not_judge(rows: Rows, table: Write, quick: Fit) -> None:
    done = quick(table(rows[::2], "train.csv"), val=table(rows[1::4], "val.csv"), test=table(rows[3::4], "test.csv"))
    assert {part: done.summary["task"][part] for part in ("train", "val", "test")} == {"train": 18, "val": 9, "test": 9}
    assert done.summary["test"]["n"] == 9
    assert len(Bundle.open(done.folder).seen()) == 27


def test_small_data_are_judged_by_nested_folds(texts: Path, quick: Fit) -> None:
    done = quick(texts, test=None)
    assert done.summary["task"]["split"] == "nested"
    assert done.summary["test"]["estimate"] == "cross-validated procedure"
    assert done.report.task.repeats == 3
    assert done.report.headline.n == 36
    assert done.report.headline.looks is None
    assert sum(each.support for each in done.report.per_class) == 36  # an item counts once, however often it is judged
    assert sum(cell.n for cell in done.report.confusion) == 36
    assert done.report.usability is not None
    assert done.report.usability.n_accepted + done.report.usability.n_to_check == 36
    test = done.summary["test"]
    assert (test["n"], test["answers"]) == (36, 108)
    assert sum(each["support"] for each in test["per_class"]) == sum(map(sum, test["confusion"])) == 36


def test_mistakes_count_items_and_not_repeats(rows: Rows, table: Write, quick: Fit) -> None:
    labels = np.random.default_rng(0).permutation([label for _, label in rows])
    done = quick(table(list(zip([text for text, _ in rows], labels, strict=True))), test=None)
    accuracy = done.summary["test"]["accuracy"]["value"]
    assert done.report.n_mistakes == round(36 * (1 - accuracy))
    shown = [each.id for each in done.report.mistakes]
    assert len(shown) == len(set(shown)) == 6


def test_groups_stay_together(rows: Rows, table: Write, quick: Fit) -> None:
    grouped = [(text, label, str(i // 2)) for i, (text, label) in enumerate(rows)]
    done = quick(table(grouped, columns=("text", "label", "ticket")), group="ticket")
    assert any("18 sets of groups" in note for note in done.summary["notes"])
    assert done.report.task.n_groups == 18
    assert done.summary["test"]["groups"] * 2 == done.summary["test"]["n"]


def test_without_controls_there_is_no_verdict(texts: Path, quick: Fit) -> None:
    done = quick(texts)
    assert done.summary["transfer"] is None
    assert done.summary["controls"] == []
    assert any("--controls none" in line for line in done.closing_lines())


def test_a_model_without_pretraining_that_wins_is_shipped_and_said(table: Write, quick: Fit) -> None:
    rng = np.random.default_rng(0)  # the tiny network knows none of these words; their endings tell the classes apart
    stems = ["".join(rng.choice(list("bdfgklmnprt"), 5)) for _ in range(60)]
    made = [
        (f"{stem}{'zq' if i % 2 else 'xw'} {stem[::-1]}", "odd" if i % 2 else "even") for i, stem in enumerate(stems)
    ]
    done = quick(table(made), controls="quick")
    assert done.summary["method"] == "tfidf-logistic"
    assert done.summary["backbone"] == "tfidf"
    assert done.summary["trainable_share"] == 1.0
    assert done.summary["transfer"]["verdict"] == "hurt"
    assert done.summary["transfer"]["against"] == "tfidf-logistic"
    assert "The model without pretraining won" in (done.folder / "report.html").read_text(encoding="utf-8")
    shipped = [row for row in done.report.transfer.rows if row.shipped] if done.report.transfer else []
    assert [row.role for row in shipped] == ["control"]
    answers = Bundle.open(done.folder).predict(["bdfgkzq", "mnprtxw"])
    assert list(answers.labels) == ["odd", "even"]


def test_the_verdict_is_about_the_metric_that_was_asked_for(texts: Path, quick: Fit) -> None:
    done = quick(texts, controls="quick", metric="macro-f1")
    assert done.summary["metric"] == "macro_f1"
    assert done.summary["transfer"]["metric"] == "macro_f1"
    assert is_interval(done.summary["controls"][0]["macro_f1"])


def test_a_control_without_a_value_of_the_metric_stays_out_of_the_verdict(texts: Path, quick: Fit) -> None:
    done = quick(texts, controls="quick", metric="precision", positive="red")
    majority = next(each for each in done.summary["controls"] if each["method"] == "majority")
    assert "no value" in majority["weak"]
    assert majority["precision"]["value"] is None
    assert done.summary["transfer"]["against"] == "tfidf-logistic"


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"metric": "f1"}, "Add --positive CLASS (one of blue, green, red)"),
        ({"metric": "f1", "positive": "rad"}, "Did you mean 'red'?"),
        ({"metric": "acuracy"}, "Did you mean 'accuracy'?"),
        ({"metric": "ece"}, "from 200 items on, but 9 can be judged"),
    ],
)
def test_a_metric_that_cannot_be_had_is_refused_before_training(
    wishes: dict[str, str], words: str, texts: Path, quick: Fit
) -> None:
    with pytest.raises(RequestError, match=r".") as caught:
        quick(texts, **wishes)
    assert words in str(caught.value)
    assert not Path("run").exists()


def test_a_metric_undefined_on_the_test_items_is_refused_before_training(rows: Rows, table: Write, quick: Fit) -> None:
    reds = [row for row in rows if row[1] == "red"]
    train, test = table(rows[::2], "train.csv"), table(reds[1::2], "test.csv")
    with pytest.raises(RequestError, match="at least two classes"):
        quick(train, test=test, metric="roc_auc")
    assert quick(train, test=test).summary["test"]["roc_auc"] is None


def test_a_single_test_item_gives_what_it_can(rows: Rows, table: Write, quick: Fit) -> None:
    done = quick(table(rows[1:], "train.csv"), test=table(rows[:1], "test.csv"), controls="quick")
    assert done.summary["test"]["n"] == 1
    assert is_interval(done.summary["test"]["log_loss"])
    assert done.summary["transfer"]["verdict"] == "undecided"


def test_a_class_with_one_item_is_learnt_and_listed_as_not_evaluated(rows: Rows, table: Write, quick: Fit) -> None:
    done = quick(table([*rows, ("a grey cloud", "grey")]), controls="quick")
    assert done.summary["task"]["classes"] == ["blue", "green", "grey", "red"]
    assert any("not evaluated" in each["what"] and "'grey'" in each["what"] for each in done.summary["warnings"])
    assert "grey" in Bundle.open(done.folder).target.classes


def test_unreadable_pictures_are_listed_and_stop_nothing(photos: Path, quick: Fit) -> None:
    (photos / "red" / "empty.png").write_bytes(b"")
    whole = (photos / "red" / "red-24.png").read_bytes()
    (photos / "red" / "torn.png").write_bytes(whole[: len(whole) // 2])
    done = quick(photos)
    assert done.summary["task"]["skipped"] == 2
    listed = {each.id: each.reason for each in done.report.task.skipped}
    assert set(listed) == {"red/empty.png", "red/torn.png"}
    assert all(listed.values())
    assert any("2 of 38 items could not be used" in each["what"] for each in done.summary["warnings"])


def test_no_samples_leaves_no_text_behind(rows: Rows, table: Write, quick: Fit) -> None:
    labels = np.random.default_rng(0).permutation([label for _, label in rows])  # many mistakes would be shown
    data = table(list(zip([text for text, _ in rows], labels, strict=True)))
    assert any(shown(quick(data, "with", controls="quick"), text) for text, _ in rows)
    bare = quick(data, "without", controls="quick", samples=False)
    assert bare.report.n_mistakes > 0
    assert not any(shown(bare, text) for text, _ in rows)


def test_no_samples_leaves_no_picture_behind(painted: Path, quick: Fit) -> None:
    bare = quick(painted, samples=False)
    assert "data:image/jpeg" not in (bare.folder / "report.html").read_text(encoding="utf-8")
    assert bare.report.mistakes == ()


def shown(run: Run, text: str) -> bool:
    """Whether a text stands in any file of a run."""
    return any(text.encode() in file.read_bytes() for file in run.folder.rglob("*") if file.is_file())


def test_a_second_fit_decodes_only_the_witnesses_of_its_bundle(
    painted: Path, quick: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(painted, "first")
    decoded: list[object] = []

    def counted(raw: Any, *rest: Any) -> Any:
        decoded.append(raw)
        return decode(raw, *rest)

    monkeypatch.setattr("keiki.data.transforms.image.decode", counted)
    monkeypatch.setattr("keiki.backbones.features.read", lambda *_: pytest.fail("an item was read for its features"))
    quick(painted, "second")
    assert {Path(str(raw)).name for raw in decoded} <= {file.name for file in painted.rglob("*.png")}
    assert len(decoded) == WITNESSES + WITNESSES + 1  # compared with the model, then timed


def test_a_tuned_network_is_shipped_as_it_was_trained(texts: Path, quick: Fit) -> None:
    done = quick(texts, method="full-finetune", options={"epochs": 2, "batch_size": 8})
    assert done.summary["options"]["epochs"] == 2
    assert done.summary["trainable_share"] == 1.0
    assert [curve.phase for curve in done.report.training] == [
        "full fine-tuning: tune",
        "full fine-tuning: tune, all items",
    ]
    assert Bundle.open(done.folder).predict(["the sky is very sea"]).probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_a_backbone_for_other_items_is_refused(texts: Path, quick: Fit) -> None:
    with pytest.raises(RequestError, match="is for images, but the data are texts"):
        quick(texts, backbone="tiny:vision")
    with pytest.raises(RequestError, match="nothing pretrained"):
        quick(texts, backbone="tfidf")


def test_a_control_is_no_method_to_ask_for(texts: Path, quick: Fit) -> None:
    with pytest.raises(RequestError, match="is a control"):
        quick(texts, method="majority")


def test_runs_are_numbered_and_last_is_the_newest(texts: Path, quick: Fit) -> None:
    assert quick(texts, None).folder == Path("runs/texts-1")
    assert quick(texts, None).folder == Path("runs/texts-2")
    assert Path("runs/last").resolve() == Path("runs/texts-2").resolve()
