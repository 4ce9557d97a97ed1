"""One rule chooses: out-of-fold log loss on the same items, simplest within one standard error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keiki.core.errors import DataError, TrainingError
from keiki.data.task import TrainView
from keiki.methods.base import make
from keiki.nn.softmax import cross_entropy_per_item
from keiki.selection.budget import Budget
from keiki.selection.select import Selection, _choose, select
from keiki.selection.workshop import Outcome, Workshop
from keiki.testing.playground import Playground


def outcome(name: str, logits: np.ndarray, parameters: int) -> Outcome:
    return Outcome(make(name), logits, logits[:0], {}, parameters, 1.0, 1e-3)


@pytest.fixture
def selection(shop: Workshop, view: TrainView, ground: Playground) -> Selection:
    controls = [make("majority"), make("tfidf-logistic")]
    return select(shop, view, ground.test, [make("linear-probe")], controls, Budget())


def test_everything_has_an_outcome_but_only_candidates_may_ship(selection: Selection) -> None:
    assert set(selection.outcomes) == {"linear-probe", "majority", "tfidf-logistic"}
    assert {row["name"] for row in selection.table} == {"linear-probe", "tfidf-logistic"}
    assert selection.transfer == "linear-probe"


def test_the_table_holds_the_mean_calibrated_loss(selection: Selection, view: TrainView) -> None:
    for row in selection.table:
        logits = selection.outcomes[row["name"]].out_of_fold / selection.temperatures[row["name"]]
        assert row["log_loss"] == pytest.approx(cross_entropy_per_item(logits, view.labels).mean())
    assert [row["name"] for row in selection.table if row["chosen"]] == [selection.winner]


def test_probabilities_are_calibrated_logits(selection: Selection) -> None:
    for name in selection.outcomes:
        for found in (selection.probabilities(name), selection.out_of_fold(name)):
            np.testing.assert_allclose(found.sum(axis=1), 1)


def test_the_simpler_one_wins_a_tie_and_the_better_one_wins_clearly(view: TrainView) -> None:
    rng = np.random.default_rng(0)
    truth = np.eye(3)[view.labels]
    fair = 2 * truth + 0.1 * rng.normal(size=truth.shape)
    tied = {"linear-probe": outcome("linear-probe", fair, 100), "tfidf-logistic": outcome("tfidf-logistic", fair, 50)}
    ones = dict.fromkeys(tied, 1.0)
    assert _choose(tied, ones, view).winner == "tfidf-logistic"
    tied["linear-probe"].out_of_fold = 8 * truth
    assert _choose(tied, ones, view).winner == "linear-probe"


def test_items_of_one_group_cannot_choose(shop: Workshop, view: TrainView, ground: Playground) -> None:
    single = replace(view, folds=np.zeros_like(view.folds))
    with pytest.raises(DataError, match="lie in one group"):
        select(shop, single, ground.test, [make("linear-probe")], [], Budget())


def test_candidates_are_compared_where_all_have_answered(view: TrainView) -> None:
    truth = 4.0 * np.eye(3)[view.labels]
    partly = truth.copy()
    partly[10:] = np.nan
    both = {"linear-probe": outcome("linear-probe", truth, 1), "full-finetune": outcome("full-finetune", partly, 2)}
    table = _choose(both, dict.fromkeys(both, 1.0), view).table
    assert table[0]["log_loss"] == pytest.approx(table[1]["log_loss"])
    both["linear-probe"].out_of_fold = np.where(np.arange(len(truth))[:, None] < 10, np.nan, truth)
    with pytest.raises(TrainingError, match="No training item"):
        _choose(both, dict.fromkeys(both, 1.0), view)
