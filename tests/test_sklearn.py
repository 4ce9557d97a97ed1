"""KeikiClassifier keeps scikit-learn's contract, and answers for numbers, texts and pictures."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from keiki.backbones.base import FAMILIES
from keiki.pipeline import light
from keiki.sklearn import KeikiClassifier
from keiki.testing.tiny import TinyFamily, easy_dataset

# Checks that scikit-learn itself leaves out, and why. None may fail.
SKIPPED = {"check_array_api_input": "SCIPY_ARRAY_API is not set: not checking array_api input"}


@pytest.fixture(scope="module")
def iris() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_iris(return_X_y=True)
    return X, y


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tiny backbones by name, and a cache of their own; their graphs are converted once."""
    FAMILIES.names()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES._things, "tiny", TinyFamily)
        patch.setenv("KEIKI_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
    light._loaded.cache_clear()


@pytest.fixture(scope="module")
def texts() -> tuple[list[str], list[str]]:
    data = easy_dataset("text", Path("unused"))
    return [str(raw) for raw in data.items.raws], list(data.labels or ())


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    data = easy_dataset("image", tmp_path_factory.mktemp("pictures"), n_each=8)
    return [str(raw) for raw in data.items.raws], list(data.labels or ())


@pytest.mark.slow
def test_scikit_learns_own_checks_pass():
    results = check_estimator(KeikiClassifier(), on_skip=None, on_fail=None)
    failed = {each["check_name"]: each["exception"] for each in results if each["status"] == "failed"}
    skipped = {each["check_name"]: str(each["exception"]) for each in results if each["status"] == "skipped"}
    assert not failed
    assert skipped == SKIPPED
    assert len(results) > 45


def test_it_is_as_good_as_logistic_regression_on_numbers(iris: tuple[np.ndarray, np.ndarray]):
    X, y = iris
    ours = cross_val_score(KeikiClassifier(), X, y, cv=5)
    theirs = cross_val_score(make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)), X, y, cv=5)
    assert ours.mean() > theirs.mean() - 0.02


def test_probabilities_agree_with_logistic_regression_of_the_same_penalty(iris: tuple[np.ndarray, np.ndarray]):
    """Both minimise one objective, C = 1 / (penalty N); the temperature that keiki adds is taken out again."""
    X, y = iris
    penalty = 0.01
    found = KeikiClassifier(options={"penalty": penalty}).fit(X, y)
    witness = LogisticRegression(C=1 / (penalty * len(y)), tol=1e-10, max_iter=10_000)
    expected = witness.fit(StandardScaler().fit_transform(X), y).predict_proba(StandardScaler().fit_transform(X))
    logs = np.log(found.predict_proba(X)) * found._learned.temperature
    shares = np.exp(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))
    np.testing.assert_allclose(shares, expected, atol=1e-4)


def test_same_data_same_bits_and_a_pickle_answers_the_same(iris: tuple[np.ndarray, np.ndarray]):
    X, y = iris
    first, second = (KeikiClassifier().fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    again = pickle.loads(pickle.dumps(KeikiClassifier().fit(X, y)))
    np.testing.assert_array_equal(again.predict_proba(X), first)


def test_it_works_inside_search_calibration_and_pipelines(iris: tuple[np.ndarray, np.ndarray]):
    X, y = iris
    X, y = X[::3], y[::3]
    pipeline = make_pipeline(StandardScaler(), KeikiClassifier())
    grid = {"keikiclassifier__options": [{"penalty": 0.1}, {"penalty": 0.001}]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.8
    assert CalibratedClassifierCV(KeikiClassifier(), cv=2).fit(X, y).score(X, y) > 0.9


def test_a_data_frame_gives_names_and_columns_out_of_order_are_refused(iris: tuple[np.ndarray, np.ndarray]):
    frame = pd.DataFrame(iris[0], columns=["a", "b", "c", "d"])
    found = KeikiClassifier().fit(frame, pd.Series(iris[1]))
    assert found.n_features_in_ == 4
    assert found.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="feature names should match"):
        found.predict(frame[["b", "a", "c", "d"]])


def test_columns_far_from_zero_keep_their_digits():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = (1.7e9 + y + rng.normal(scale=0.1, size=60))[:, None]  # seconds since 1970: float32 keeps 128 of them
    assert KeikiClassifier().fit(X, y).score(X, y) == 1.0


@pytest.mark.parametrize("n_rows", [2, 3, 10])
@pytest.mark.parametrize("width", [1, 40])
def test_tiny_data_and_a_class_of_one_row_are_enough(n_rows: int, width: int):
    X = np.random.default_rng(n_rows).normal(size=(n_rows, width))
    y = ["many"] * (n_rows - 1) + ["one"]
    shares = KeikiClassifier().fit(X, y).predict_proba(X)
    assert shares.shape == (n_rows, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_constant_and_equal_rows_say_nothing_and_break_nothing():
    X = np.ones((8, 3))
    shares = KeikiClassifier().fit(X, [0, 0, 0, 0, 0, 1, 1, 1]).predict_proba(X)
    assert (shares[:, 0] > 0.5).all()


def test_groups_are_not_parted(iris: tuple[np.ndarray, np.ndarray]):
    X, y = iris
    apart, together = (KeikiClassifier().fit(X, y, groups=each) for each in (None, np.arange(150) // 10))
    assert not np.array_equal(apart.predict_proba(X), together.predict_proba(X))
    with pytest.raises(ValueError, match="lie in one group"):
        KeikiClassifier().fit(X, y, groups=np.zeros(150))
    with pytest.raises(ValueError, match="inconsistent numbers"):
        KeikiClassifier().fit(X, y, groups=[1, 2])


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"method": "linear-prob"}, "Did you mean 'linear-probe'"),
        ({"method": "majority"}, "is a control"),
        ({"method": "lp-ft"}, "is not for vectors"),
        ({"backbone": "minilm-l6"}, "is for texts"),
        ({"modality": "sound"}, "modality must be one of"),
        ({"modality": "text"}, "must be a list of texts"),
        ({"options": {"penalty": -1}}, "must be at least 0"),
        ({"controls": "some"}, "quick, full or none"),
    ],
)
def test_wrong_wishes_are_value_errors_with_a_next_step(wishes: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        KeikiClassifier(**wishes).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])


def test_answers_before_fitting_are_refused():
    with pytest.raises(NotFittedError):
        KeikiClassifier().predict([[1.0]])


def test_texts_are_learned_from_lists_series_and_columns(tiny: None, texts: tuple[list[str], list[str]]):
    X, y = texts
    model = KeikiClassifier(backbone="tiny:text", controls="none")
    expected = model.fit(X, y).predict_proba(X)
    assert model.score(X, y) > 0.8
    assert (model.modality_, hasattr(model, "n_features_in_")) == ("text", False)
    shapes: list[Any] = [np.array(X), np.array(X, dtype=object)[:, None], pd.Series(X), pd.DataFrame({"text": X})]
    for same in shapes:
        np.testing.assert_array_equal(clone(model).fit(same, y).predict_proba(same), expected)


def test_texts_go_through_cross_validation_and_pickling(tiny: None, texts: tuple[list[str], list[str]]):
    X, y = texts
    shouted = make_pipeline(FunctionTransformer(_lowered), KeikiClassifier(backbone="tiny:text"))
    assert cross_val_score(shouted, X, y, cv=2, error_score="raise").mean() > 0.8
    for controls in ("none", "quick"):
        model = KeikiClassifier(backbone="tiny:text", controls=controls).fit(X, y)
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def _lowered(texts: list[str]) -> list[str]:
    return [text.lower() for text in texts]


def test_an_item_is_looked_at_once_whatever_subsets_are_fitted(
    tiny: None, texts: tuple[list[str], list[str]], monkeypatch: pytest.MonkeyPatch
):
    from keiki.data.transforms.text import TokenTransform

    prepared: list[object] = []
    prepare = TokenTransform.prepare
    monkeypatch.setattr(TokenTransform, "prepare", lambda self, raw: (prepared.append(raw), prepare(self, raw))[1])
    X, y = [f"once {text}" for text in texts[0]], texts[1]  # not what other tests have put into the cache
    model = KeikiClassifier(backbone="tiny:text", controls="none")
    model.fit(X, y)
    first = len(prepared)
    cross_val_score(model, X, y, cv=3, error_score="raise")
    assert first == len(X)
    assert len(prepared) == first


def test_what_was_fitted_before_changes_last_digits_at_most(tiny: None, pictures: tuple[list[str], list[str]]):
    """In which shard an item was computed shows in its last bits; what was chosen must not depend on it."""
    X, y = pictures
    model = KeikiClassifier(backbone="tiny:vision", controls="none")
    fresh, again = (clone(model).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(fresh.predict_proba(X), again.predict_proba(X))
    light._tools_in.cache_clear()
    cross_val_score(model, X[::-1], y[::-1], cv=2, error_score="raise")
    later = clone(model).fit(X, y)
    assert later._learned.transform_name == fresh._learned.transform_name
    np.testing.assert_allclose(later.predict_proba(X), fresh.predict_proba(X), atol=1e-4)


def test_pictures_are_told_by_their_names(tiny: None, pictures: tuple[list[str], list[str]]):
    X, y = pictures
    model = KeikiClassifier(backbone="tiny:vision").fit(X, y)
    assert model.modality_ == "image"
    assert model.score([Path(each) for each in X], y) > 0.8
    alone = model.predict_proba(X[:1])
    np.testing.assert_allclose(alone, model.predict_proba(X)[:1], atol=1e-5)


def test_tuned_networks_answer_and_survive_a_pickle(tiny: None, texts: tuple[list[str], list[str]]):
    X, y = texts
    wishes: dict[str, Any] = {"epochs": 2, "batch_size": 8}
    model = KeikiClassifier(backbone="tiny:text", method="lp-ft", options=wishes, controls="none").fit(X, y)
    assert model.method_ == "lp-ft"
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_what_cannot_be_read_is_named(tiny: None, texts: tuple[list[str], list[str]], tmp_path: Path):
    X, y = texts
    model = KeikiClassifier(backbone="tiny:text")
    with pytest.raises(ValueError, match=r"Row 1 cannot be read: empty text"):
        model.fit([X[0], "  ", *X[2:]], y)
    with pytest.raises(ValueError, match=r"row 2 is nan"):
        model.fit([X[0], X[1], float("nan"), *X[3:]], y)
    with pytest.raises(ValueError, match="fitted on texts"):
        model.fit(X, y).predict([[1.0, 2.0]])
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (tmp_path / "cut.png").write_bytes(broken.read_bytes()[:-3])
    with pytest.raises(ValueError, match="2 of 2 items cannot be read: row 0: "):
        KeikiClassifier(backbone="tiny:vision").fit([str(broken), str(tmp_path / "cut.png")], ["a", "b"])
    with pytest.raises(ValueError, match=r"Row 0 \('gone.png'\) cannot be read: no such file"):
        KeikiClassifier(backbone="tiny:vision").fit(["gone.png", "lost.png"], ["a", "b"])


def test_group_splitters_of_scikit_learn_work(iris: tuple[np.ndarray, np.ndarray]):
    X, y = iris
    scores = cross_val_score(KeikiClassifier(), X, y, cv=GroupKFold(3), groups=np.arange(150) % 15)
    assert scores.min() > 0.8


@pytest.mark.parametrize("modality", ["auto", "text", "vector"])
def test_columns_that_are_no_features_are_refused_by_name(modality: Any) -> None:
    texts = pd.DataFrame({"subject": ["a b", None, "c d"], "message": ["e f", "g h", "i j"], "n": [1.0, 2.0, 3.0]})
    model, y = KeikiClassifier(modality=modality), ["x", "y", "x"]
    with pytest.raises(ValueError, match=r"2 columns of texts: 'subject', 'message'.*X\['subject'\] \+ '\\n' \+ X"):
        model.fit(texts[["subject", "message"]], y)
    with pytest.raises(ValueError, match=r"Column 'message' of X holds texts beside.*X\['message'\], or numbers only"):
        model.fit(texts[["message", "n"]], y)
    for day in ("2026-03-01", "2026-03-01T00:00:00+00:00"):
        with pytest.raises(ValueError, match="Column 'day' of X holds dates"):
            model.fit(texts[["n"]].assign(day=pd.to_datetime([day] * 3)), y)


def test_columns_are_looked_at_when_answering_too(iris: tuple[np.ndarray, np.ndarray]) -> None:
    frame = pd.DataFrame(iris[0], columns=["a", "b", "c", "d"]).iloc[::5]
    model = KeikiClassifier().fit(frame, iris[1][::5])
    with pytest.raises(ValueError, match="Column 'b' of X holds texts"):
        model.predict(frame.assign(b="high"))
    numbers = frame.astype({"a": object, "b": "Float64"})
    np.testing.assert_array_equal(model.predict(numbers), model.predict(frame))
