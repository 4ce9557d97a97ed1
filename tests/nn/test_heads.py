"""Heads: what they compute, where they start, and that all of them are linear in what their neck gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity
from torch import nn

from keiki.core.errors import OptionError, TrainingError
from keiki.nn.heads import CosineHead, Direction, Hidden, Kind, Shape
from keiki.nn.linear import LinearHead
from keiki.nn.network import BodyAndHead, head_of, put_head, trunk_weights

RNG = np.random.default_rng(0)
WIDTH, CLASSES, N = 6, 3, 40
FEATURES = RNG.normal(1.0, 1.0, size=(N, WIDTH)).astype(np.float32)
SOLVED = LinearHead(RNG.normal(size=(CLASSES, WIDTH)), RNG.normal(size=CLASSES))
KINDS: tuple[Kind, ...] = ("linear", "cosine", "mlp")


class Passing(nn.Module):
    """A body that gives what it is given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def network(shape: Shape, width: int = WIDTH, n_classes: int = CLASSES) -> BodyAndHead:
    return BodyAndHead(Passing(), width, n_classes, shape).eval()


def answers(net: BodyAndHead, features: np.ndarray = FEATURES) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = net({"x": torch.from_numpy(features)}).numpy()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_before_any_start_all_classes_are_alike_and_nothing_is_drawn_from_the_global_stream(kind: Kind) -> None:
    before = torch.get_rng_state()
    net = network(Shape(kind, hidden=8))
    assert torch.equal(before, torch.get_rng_state())
    found = answers(net)
    np.testing.assert_allclose(found, found[:, :1].repeat(CLASSES, axis=1), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_from_there_every_class_has_a_gradient_of_its_own(kind: Kind) -> None:
    net = network(Shape(kind, hidden=8)).train()
    labels = torch.from_numpy(np.arange(N) % CLASSES)
    nn.functional.cross_entropy(net({"x": torch.from_numpy(FEATURES)}), labels).backward()
    gradient = net.head.weight.grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()
    assert gradient.norm(dim=1).min() > 1e-4
    assert not torch.allclose(gradient[0], gradient[1])


def test_a_cosine_head_gives_scaled_cosines() -> None:
    net = network(Shape("cosine", scale=7.0))
    assert isinstance(net.head, CosineHead)
    with torch.no_grad():
        net.head.weight.copy_(torch.from_numpy(SOLVED.weight))
    np.testing.assert_allclose(answers(net), 7 * cosine_similarity(FEATURES, SOLVED.weight), atol=1e-5)
    longer = FEATURES * RNG.uniform(0.1, 9.0, size=(N, 1)).astype(np.float32)
    np.testing.assert_allclose(answers(net, longer), answers(net), atol=1e-5)


def test_a_scale_that_was_given_stays_and_one_that_is_learned_stays_positive() -> None:
    fixed, learned = network(Shape("cosine", scale=7.0)), network(Shape("cosine"))
    assert len(fixed.head_parameters()) == 1
    assert len(learned.head_parameters()) == 2
    assert isinstance(learned.head, CosineHead)
    assert learned.head.scale.item() == pytest.approx(20.0)
    with torch.no_grad():
        assert learned.head.log_scale is not None
        learned.head.log_scale.fill_(-3.0)
    assert 0 < learned.head.scale.item() < 1e-10


def test_an_mlp_gives_what_two_layers_give() -> None:
    net = network(Shape("mlp", hidden=5))
    neck = net.neck
    assert isinstance(neck, Hidden)
    with torch.no_grad():
        net.head.weight.copy_(torch.from_numpy(RNG.normal(size=(CLASSES, 5))))
    first, a, second, b = (p.detach().numpy() for p in (neck.weight, neck.bias, net.head.weight, net.head.bias))
    expected = [[sum(w * max(0.0, u @ x + c) for w, u, c in zip(row, first, a, strict=True)) for row in second] + b
                for x in FEATURES]  # fmt: skip
    np.testing.assert_allclose(answers(net), expected, atol=1e-5)


def test_hidden_weights_follow_from_the_seed() -> None:
    first, second, other = Hidden(WIDTH, 400), Hidden(WIDTH, 400), Hidden(WIDTH, 400)
    for neck, seed in ((first, 3), (second, 3), (other, 4)):
        neck.draw(seed)
    assert torch.equal(first.weight, second.weight)
    assert not torch.equal(first.weight, other.weight)
    torchs = nn.Linear(WIDTH, 400)  # spread as torch spreads its own
    assert first.weight.std().item() == pytest.approx(torchs.weight.std().item(), rel=0.1)
    assert first.weight.abs().max().item() <= WIDTH**-0.5


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_linear_and_mlp_start_exactly_at_a_solved_head(kind: Kind) -> None:
    net = network(Shape(kind, hidden=10))
    put_head(net, SOLVED)
    np.testing.assert_allclose(answers(net), FEATURES @ SOLVED.weight.T + SOLVED.bias, atol=1e-5)


def test_an_mlp_with_too_few_units_says_how_many_it_takes() -> None:
    with pytest.raises(OptionError, match="5 hidden units") as found:
        put_head(network(Shape("mlp", hidden=5)), SOLVED)
    assert "hidden=6" in str(found.value.hint)


def test_a_cosine_head_starts_near_a_solved_head_on_real_features() -> None:
    digits = load_digits()
    features, labels = digits.data.astype(np.float32), digits.target
    learn = np.arange(len(labels)) % 2 == 0
    probe = LogisticRegression(C=0.01, max_iter=500).fit(features[learn], labels[learn])
    solved = LinearHead(probe.coef_, probe.intercept_)
    net = network(Shape("cosine"), 64, 10)
    put_head(net, solved, features[learn])
    found = answers(net, features[~learn])
    accuracy = float((found.argmax(axis=1) == labels[~learn]).mean())
    assert accuracy > probe.score(features[~learn], labels[~learn]) - 0.02
    theirs = probe.predict_log_proba(features[~learn])
    ours = torch.log_softmax(torch.from_numpy(found), dim=1).numpy()
    rows = np.arange(len(found))
    assert -ours[rows, labels[~learn]].mean() < -theirs[rows, labels[~learn]].mean() + 0.1  # as sure as the probe


def test_the_bias_is_left_to_the_mean_feature_by_least_squares() -> None:
    biased = LinearHead(np.zeros((2, WIDTH)), np.array([1.0, -1.0]))
    carried = Direction().carry(biased, FEATURES)
    mean, length = FEATURES.mean(axis=0, dtype=np.float64), np.linalg.norm(FEATURES.astype(np.float64), axis=1).mean()
    (along,), *_ = np.linalg.lstsq((FEATURES @ mean)[:, None], np.ones(N), rcond=None)
    np.testing.assert_allclose(carried.weight, np.outer([length, -length], along * mean), rtol=1e-5)
    assert not carried.bias.any()


def test_a_scale_that_was_given_outlives_a_start() -> None:
    fixed, learned = network(Shape("cosine", scale=7.0)), network(Shape("cosine"))
    for net in (fixed, learned):
        put_head(net, SOLVED, FEATURES)
    assert isinstance(fixed.head, CosineHead)
    assert isinstance(learned.head, CosineHead)
    assert fixed.head.scale.item() == 7.0
    lengths = np.linalg.norm(Direction().carry(SOLVED, FEATURES).weight, axis=1)
    assert learned.head.scale.item() == pytest.approx(lengths.mean(), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_fit_is_refused(kind: Kind) -> None:
    wrong = LinearHead(np.ones((CLASSES + 1, WIDTH)), np.ones(CLASSES + 1))
    with pytest.raises(TrainingError, match="does not fit"):
        network(Shape(kind, hidden=8)).head.place(wrong)


def test_a_cosine_head_needs_directions_and_features() -> None:
    with pytest.raises(TrainingError, match="no direction"):
        CosineHead(WIDTH, CLASSES).place(LinearHead(np.zeros((CLASSES, WIDTH)), np.zeros(CLASSES)))
    with pytest.raises(TrainingError, match="features"):
        put_head(network(Shape("cosine")), SOLVED)


@pytest.mark.parametrize("kind", KINDS)
def test_every_head_is_linear_in_the_features_of_the_trunk(kind: Kind) -> None:
    net = network(Shape(kind, hidden=8, dropout=0.5))
    put_head(net, SOLVED, FEATURES)
    with torch.no_grad():
        features = net.trunk()(x=torch.from_numpy(FEATURES)).numpy()
    np.testing.assert_allclose(head_of(net).logits(features), answers(net), atol=1e-5)
    assert set(trunk_weights(net)) == ({"neck.weight", "neck.bias"} if kind == "mlp" else set())
    assert (net.trunk() is net.body) == (kind == "linear")


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_acts_in_training_only_and_keeps_the_mean(kind: Kind) -> None:
    net = network(Shape(kind, hidden=8, dropout=0.5))
    put_head(net, SOLVED, FEATURES)
    plain = answers(net)
    net.train()
    torch.manual_seed(0)
    draws = np.stack([answers(net) for _ in range(2000)])
    assert draws.std(axis=0).min() > 0
    error = draws.std(axis=0) / np.sqrt(len(draws))
    assert np.abs((draws.mean(axis=0) - plain) / error).max() < 5


def test_a_body_with_a_part_called_neck_is_refused() -> None:
    net = network(Shape("mlp", hidden=8))
    net.body.neck = nn.Linear(2, 2)
    with pytest.raises(TrainingError, match="neck"):
        trunk_weights(net)
