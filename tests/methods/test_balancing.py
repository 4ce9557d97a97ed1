"""Classes of unlike size: the weights of the papers, what a balanced model answers, and the rule of auto."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from keiki.core.errors import OptionError
from keiki.core.options import rows
from keiki.data.task import TrainView
from keiki.methods.balancing import Balance, Kind, class_counts, class_weights, decide, item_weights, log_prior
from keiki.methods.base import make
from keiki.methods.loss_options import HeadOptions, LossOptions, balance_of, head_shape, item_loss
from keiki.methods.tuning import learning_part, validation_rows
from keiki.methods.tuning_config import TuningConfig
from keiki.nn.linear import LinearHead
from keiki.testing.playground import Playground, playground, small

COUNTS = np.array([240, 60, 6])
LABELS = np.repeat(np.arange(3), COUNTS)
CLASSES = ["healthy", "blight", "rust"]
WAYS: tuple[Kind, ...] = ("weights", "sampler", "logit-adjustment")


def test_inverse_frequency_is_what_scikit_learn_calls_balanced() -> None:
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(class_weights(COUNTS), theirs)
    np.testing.assert_allclose(item_weights(LABELS, 3), compute_sample_weight("balanced", LABELS))


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999])
def test_effective_numbers_are_sums_of_a_geometric_series(beta: float) -> None:
    effective = np.array([sum(beta**j for j in range(n)) for n in COUNTS])
    expected = 1 / effective
    found = class_weights(COUNTS, beta)
    np.testing.assert_allclose(found / found[0], expected / expected[0], rtol=1e-9)
    assert found[LABELS].mean() == pytest.approx(1.0)


def test_effective_numbers_go_over_into_inverse_frequency() -> None:
    np.testing.assert_allclose(class_weights(COUNTS, 1 - 1e-9), class_weights(COUNTS), rtol=1e-5)


def test_a_class_without_items_has_finite_weight_and_prior() -> None:
    counts = np.array([5, 0])
    assert np.isfinite(class_weights(counts)).all()
    assert np.isfinite(log_prior(counts)).all()
    assert class_weights(counts)[0] == pytest.approx(1.0)


def at_best_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Log loss at the temperature that SciPy finds; one error is thought to be unseen yet, as in `fit_temperature`."""
    n, n_classes = logits.shape
    target = np.full((n, n_classes), 1 / (n + 2) / (n_classes - 1))
    target[np.arange(n), labels] = 1 - 1 / (n + 2)

    def loss(log_t: float) -> float:
        return -float((target * log_softmax(logits / np.exp(log_t), axis=1)).sum())

    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10}).x
    return -float(log_softmax(logits / np.exp(best), axis=1)[np.arange(n), labels].mean())


@pytest.mark.parametrize("kind", WAYS)
@pytest.mark.parametrize("tau", [1.0, 0.5])
def test_lift_is_what_the_loss_does_to_the_best_answers(kind: Kind, tau: float) -> None:
    """Three kinds of items, their labels counted: the loss is minimised over free logits, and the lift taken out."""
    table = np.array([[200, 5, 1], [30, 50, 2], [10, 5, 3]])  # items of each kind by class; the columns are COUNTS
    balance = Balance(kind, "", table.sum(axis=0), beta=0.99, tau=tau)
    extra = balance.shift if balance.shift is not None else np.zeros(3)
    drawn = balance.sampler(LABELS)  # a sampler multiplies how often an item is seen
    seen = balance.weights if drawn is None else drawn[np.cumsum(balance.counts) - 1]
    counted = table * (np.ones(3) if seen is None else seen)

    def loss(free: np.ndarray) -> float:
        return -float((counted * log_softmax(free.reshape(3, 3) + extra, axis=1)).sum())

    best = minimize(loss, np.zeros(9), method="BFGS", options={"gtol": 1e-7}).x.reshape(3, 3)
    natural = table / table.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(best - balance.lift, axis=1), natural, atol=1e-4)
    labels = np.array([0, 1, 2])
    expected = at_best_temperature(np.log(natural), labels)
    assert balance.held_out_losses(best, labels).mean() == pytest.approx(expected, abs=1e-4)
    assert np.isnan(balance.held_out_losses(np.full((3, 3), np.nan), labels)).all()


def test_without_balance_nothing_is_changed() -> None:
    balance = decide("none", LABELS, CLASSES)
    assert (balance.kind, balance.weights, balance.shift, balance.sampler(LABELS)) == ("none", None, None, None)
    assert not balance.lift.any()


def test_a_lifted_head_finds_the_rare_ones() -> None:
    rng = np.random.default_rng(0)
    means = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    learn = means[LABELS] + rng.normal(size=(len(LABELS), 2))
    labels = np.repeat(np.arange(3), 200)
    test = means[labels] + rng.normal(size=(600, 2))
    fitted = LogisticRegression().fit(learn, LABELS)
    head = LinearHead(fitted.coef_, fitted.intercept_)
    lifted = decide("logit-adjustment", LABELS, CLASSES).lifted(head)
    before, after = ((each.logits(test).argmax(axis=1) == labels)[labels == 2].mean() for each in (head, lifted))
    assert after > before + 0.3
    np.testing.assert_allclose(lifted.bias - head.bias, -np.log(COUNTS / COUNTS.sum()))


def test_auto_says_why() -> None:
    found = decide("auto", LABELS, CLASSES)
    assert found.kind == "logit-adjustment"
    assert found.reason == "logit adjustment, because 'rust' has 6 items and 'healthy' 240"
    alike = decide("auto", np.repeat([0, 1], [29, 10]), CLASSES[:2])
    assert alike.kind == "none"
    assert alike.reason == "no balancing, because 'blight' has 10 items and 'healthy' 29: less than 3 times that"
    assert decide("auto", np.repeat([0, 1], [30, 10]), CLASSES[:2]).kind == "logit-adjustment"
    assert decide("auto", np.zeros(3, dtype=np.int64), CLASSES[:2]).kind == "logit-adjustment"  # none of one class


def test_defaults_change_nothing() -> None:
    loss = item_loss(LossOptions(), balance_of(LossOptions(), LABELS, CLASSES))
    assert (loss.smoothing, loss.gamma, loss.weights, loss.shift) == (0.0, 0.0, None, None)
    assert head_shape(HeadOptions()).kind == "linear"


def test_options_reach_the_loss_and_the_head() -> None:
    config = LossOptions(focal_gamma=2.0, balance="weights", balance_beta=0.9)
    loss = item_loss(config, balance_of(config, LABELS, CLASSES))
    assert loss.gamma == 2.0
    assert loss.weights is not None
    np.testing.assert_allclose(loss.weights, class_weights(COUNTS, 0.9))
    config = LossOptions(label_smoothing=0.1, balance="logit-adjustment", balance_tau=0.5)
    loss = item_loss(config, balance_of(config, LABELS, CLASSES))
    assert loss.smoothing == 0.1
    assert loss.shift is not None
    np.testing.assert_allclose(loss.shift, 0.5 * np.log(COUNTS / 306))
    shape = head_shape(HeadOptions.parse(["head=mlp", "hidden=32", "head_dropout=0.2", "cosine_scale=12"]))
    assert (shape.kind, shape.hidden, shape.dropout, shape.scale) == ("mlp", 32, 0.2, 12.0)
    assert head_shape(HeadOptions()).scale is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden", 0),
        ("head_dropout", 1.0),
        ("cosine_scale", 0.0),
        ("cosine_scale", "loud"),
        ("label_smoothing", 1.1),
        ("focal_gamma", -1.0),
        ("balance", "somehow"),
        ("balance_beta", 1.5),
        ("balance_tau", float("nan")),
    ],
)
def test_options_without_sense_are_refused(name: str, value: object) -> None:
    with pytest.raises(OptionError, match=f"Option '{name}' must be"):
        make("full-finetune", {name: value})


def test_focal_and_smoothing_are_rivals() -> None:
    with pytest.raises(OptionError, match="do not go together"):
        make("lp-ft", {"focal_gamma": 2.0, "label_smoothing": 0.1})


def test_every_tuning_method_has_these_options() -> None:
    names = {row.name for row in rows(type(small("lp-ft").config))}
    assert {"head", "hidden", "head_dropout", "cosine_scale", "label_smoothing", "focal_gamma", "balance"} <= names


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("text", tmp_path_factory.mktemp("ground"))


def tail(ground: Playground) -> TrainView:
    """The view with few items of the last class: every fold keeps one."""
    view = ground.view
    last = view.labels == 2
    first = [np.flatnonzero(last & (view.folds[0] == fold))[:1] for fold in np.unique(view.folds[0])]
    return view.subset(np.sort(np.concatenate([np.flatnonzero(~last), *first])))


def tuned(name: str, **values: object) -> object:
    kind = type(small(name))
    return kind(replace(small(name).config, **values))


@pytest.mark.parametrize("way", WAYS)
def test_a_balanced_descent_starts_at_its_probe_and_is_judged_like_it(ground: Playground, way: Kind) -> None:
    view = tail(ground)
    model = ground.train(tuned("lp-ft", balance=way), view=view)  # type: ignore[arg-type]
    probe = ground.train(make("linear-probe"), view=learning_part(view, TuningConfig()))
    assert probe.head is not None
    learn, stop = validation_rows(view)
    logits = probe.logits(view.items.take(stop))
    first = model.facts["curves"][0]["epochs"][0]["validation_loss"]
    assert first == pytest.approx(at_best_temperature(logits, view.labels[stop]), rel=1e-4)
    said = model.facts["balance"]
    assert (said["kind"], said["reason"]) == (way, "it was asked for")
    assert list(said["counts"].values()) == class_counts(view.labels[learn], 3).tolist()


@pytest.mark.parametrize("way", WAYS)
def test_the_rare_class_is_answered_more_often(ground: Playground, way: Kind) -> None:
    view = tail(ground)
    plain, balanced = (ground.train(tuned("full-finetune", balance=each), view=view) for each in ("none", way))  # type: ignore[arg-type]
    rare = [softmax(model.logits(ground.test), axis=1)[:, 2].mean() for model in (plain, balanced)]
    assert rare[1] > rare[0]
    assert "balance" not in plain.facts
