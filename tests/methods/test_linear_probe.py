"""The probe against scikit-learn on tiny features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from keiki.core.errors import UnknownName
from keiki.methods.base import make
from keiki.testing.playground import Playground, playground


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("text", tmp_path_factory.mktemp("ground"))


@pytest.mark.parametrize("penalty", [0.01, 0.3])
def test_a_fixed_penalty_gives_what_scikit_learn_gives(
    penalty: float, ground: Playground, moderated_scaler: type
) -> None:
    """mean loss + penalty / 2 |W|^2 on standardised features is scikit-learn's C = 1 / (N penalty)."""
    model = ground.train(make("linear-probe", {"penalty": penalty}))
    view = ground.view
    features = np.asarray(model.features(view.items), dtype=np.float64)
    oracle = make_pipeline(
        moderated_scaler(), LogisticRegression(C=1 / (len(view) * penalty), tol=1e-10, max_iter=10_000)
    )
    oracle.fit(features, view.labels)
    test = model.features(ground.test)
    found = model.logits(ground.test)
    powers = np.exp(found - found.max(axis=1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), oracle.predict_proba(test), atol=1e-5)


def test_out_of_fold_answers_come_from_the_other_folds(ground: Playground, moderated_scaler: type) -> None:
    penalty = 0.1
    model = ground.train(make("linear-probe", {"penalty": penalty}))
    view = ground.view
    features = np.asarray(model.features(view.items), dtype=np.float64)
    shares = np.zeros((len(view.folds), len(view), 3))
    for repeat, folds in enumerate(view.folds):
        for fold in np.unique(folds):
            held, rest = folds == fold, folds != fold
            logistic = LogisticRegression(C=1 / (rest.sum() * penalty), tol=1e-10, max_iter=10_000)
            oracle = make_pipeline(moderated_scaler(), logistic).fit(features[rest], view.labels[rest])
            shares[repeat, held] = oracle.predict_proba(features[held])
    assert model.out_of_fold is not None
    atol = 3e-3  # the path is followed to 1e-5 of its objective
    powers = np.exp(model.out_of_fold - model.out_of_fold.max(axis=1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), shares.mean(axis=0), atol=atol)


def test_the_path_is_kept_and_the_choice_lies_on_it(ground: Playground) -> None:
    model = ground.train(make("linear-probe"))
    (path,) = model.facts["paths"]
    assert path["chosen"] in path["penalties"]
    assert path["penalties"] == sorted(path["penalties"], reverse=True)
    best = int(np.argmin(path["log_loss"]))
    chosen = path["penalties"].index(path["chosen"])
    assert chosen <= best  # never weaker than the best
    assert path["log_loss"][chosen] >= path["log_loss"][best]


def test_views_are_ranked_and_a_named_one_is_taken(tmp_path: Path) -> None:
    pictures = playground("image", tmp_path)
    ranked = pictures.train(make("linear-probe"))
    assert set(ranked.facts["views"]["gain"]) == {"squash-32", "crop-32"}
    assert ranked.transform_name == ranked.facts["views"]["chosen"]
    assert pictures.train(make("linear-probe", {"view": "crop-32"})).transform_name == "crop-32"
    with pytest.raises(UnknownName, match="Did you mean 'crop-32'"):
        pictures.train(make("linear-probe", {"view": "crop-23"}))
