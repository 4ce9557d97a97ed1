"""Rows come in order, one for every input, errors included."""

from pathlib import Path

from keiki.artifacts.bundle import Bundle
from keiki.serving.inputs import Input
from keiki.serving.predictor import FIELDS, rows


def test_every_input_has_its_row_in_order(text_bundle: Path) -> None:
    inputs = [Input("a", "a red apple"), Input("b", None, "no such file"), Input("c", " "), Input("d", "a phone")]
    found = list(rows(Bundle.open(text_bundle), inputs))
    assert [row.input for row in found] == ["a", "b", "c", "d"]
    assert [row.error for row in found] == [None, "no such file", "empty text", None]
    assert found[0].label in ("fruit", "phone")
    assert found[1].probabilities is None


def test_probabilities_of_all_classes_add_up(text_bundle: Path) -> None:
    (row,) = rows(Bundle.open(text_bundle), [Input("a", "a red apple")])
    assert row.probabilities is not None
    assert abs(sum(row.probabilities.values()) - 1) < 1e-6
    assert row.probability == max(row.probabilities.values())
    assert row.runner_up != row.label


def test_progress_is_told_to_the_end(text_bundle: Path) -> None:
    told: list[tuple[int, int]] = []
    inputs = [Input(str(i), "a phone") for i in range(1500)]
    assert len(list(rows(Bundle.open(text_bundle), inputs, lambda *at: told.append(at)))) == 1500
    assert told == [(1024, 1500), (1500, 1500)]


def test_cells_follow_the_fields(text_bundle: Path) -> None:
    (row,) = rows(Bundle.open(text_bundle), [Input("a", None, "gone")])
    assert dict(zip(FIELDS, row.cells(), strict=True)) == {
        "input": "a", "label": "", "probability": "", "decision": "", "runner_up": "", "error": "gone"
    }  # fmt: skip
