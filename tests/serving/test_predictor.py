"""Rows come in order, one for every input, errors included."""

from pathlib import Path

from keiki.artifacts.bundle import Bundle
from keiki.serving.inputs import Input
from keiki.serving.predictor import FIELDS, Wish, rows, unmet


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


def test_a_set_is_a_cell_and_a_list(text_bundle: Path) -> None:
    bundle, wish = Bundle.open(text_bundle), Wish(set_level=0.99)
    (row,) = rows(bundle, [Input("a", "a red apple")], wish=wish)
    assert wish.fields == (*FIELDS, "set")
    assert set(row.cells(wish.fields)[-1].split(";")) == {"fruit", "phone"}
    assert row.set is not None
    assert row.set[0] == row.label
    (broken,) = rows(bundle, [Input("b", None, "gone")], wish=wish)
    assert broken.cells(wish.fields)[-1] == ""


def test_a_wish_that_cannot_be_met_is_said(text_bundle: Path) -> None:
    told = unmet(Bundle.open(text_bundle), Wish(accuracy=0.99, set_level=0.99))
    assert "No threshold keeps 99.0% right" in told[0]
    assert "5 items are too few" in told[1]
    assert unmet(Bundle.open(text_bundle), Wish()) == []
