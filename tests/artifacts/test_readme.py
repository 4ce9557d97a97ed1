"""The model card tells what there is to tell, and nothing in it can be abused."""

from dataclasses import replace
from pathlib import Path

from keiki.artifacts import readme
from keiki.testing.bundles import image_handover, text_handover

RESULTS = {
    "task": {"train": 297, "val": 0, "test": 118},
    "test": {"estimate": "held-out", "accuracy": {"value": 0.89, "low": 0.8, "high": 0.94}, "n": 118},
    "transfer": {
        "verdict": "helped",
        "metric": "accuracy",
        "against": "tfidf-logistic",
        "difference": {"value": 0.31, "low": 0.22, "high": 0.4},
    },
    "warnings": [{"text": "'rust' has only 6 photos"}],
    "seconds": {"total": 12.3456},
}


def test_results_sizes_verdict_and_warnings_are_told() -> None:
    card = readme.write(replace(text_handover(), results=RESULTS))
    for part in ("297 for training", "118 for test", "| accuracy | 0.890 | 0.800 to 0.940 |", "**helped**", "rust"):
        assert part in card


def test_nothing_that_changes_from_day_to_day_is_told() -> None:
    assert "12.3" not in readme.write(replace(text_handover(), results=RESULTS))


def test_names_cannot_break_out() -> None:
    nasty = replace(text_handover(name="<script>`x`\n# Not a title"), results={"warnings": ["<img onerror=1>"]})
    card = readme.write(nasty)
    assert "<script" not in card
    assert "<img" not in card
    assert "\n# Not" not in card


def test_every_field_may_be_absent() -> None:
    assert "## Results" not in readme.write(text_handover())
    assert "##" in readme.write(replace(text_handover(), results={"test": {"roc_auc": None}, "transfer": None}))


def test_what_the_decisions_mean_is_told(tmp_path: Path) -> None:
    card = readme.write(image_handover(tmp_path))
    stick = image_handover(tmp_path).yardstick
    assert stick is not None
    for part in (
        "0.6 or more",
        "95%",
        f"above {stick.threshold:.4g}",
        f"{stick.expected:.1%}",
        "`unfamiliarity`",
        "240",
    ):
        assert part in card
    texts = readme.write(text_handover())
    assert "`unfamiliar` is not offered: counts of words" in texts
    assert "is not recognised as such" in texts
    never = readme.write(replace(text_handover(), thresholds={"accept": None, "asked_accuracy": 0.99}))
    assert "No probability is high enough" in never


def test_words_of_the_training_texts_in_the_folder_are_owned_up_to(tmp_path: Path) -> None:
    results = {"task": {"train": 5, "val": 0, "test": 0}}
    assert "`vocabulary.json` holds words" in readme.write(replace(text_handover(), results=results))
    assert "holds words" not in readme.write(replace(image_handover(tmp_path), results=results))
