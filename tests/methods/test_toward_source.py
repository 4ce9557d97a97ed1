"""What keeps a network near to its source: nothing at strength 0, nearer when strong, and never shipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from keiki.core.errors import OptionError, RequestError
from keiki.core.random import Randomness
from keiki.data.task import Batch, TrainView
from keiki.methods.base import Descend, Method, Model, Phase, Solve, make
from keiki.methods.co_tuning import RELATIONSHIP, CoTuning, relate, source_probabilities, wanted
from keiki.methods.delta import ATTENTION, watched
from keiki.methods.toward_source import frozen_answers
from keiki.methods.tuning import learning_part, validation_rows
from keiki.methods.tuning_config import TuningConfig
from keiki.nn.network import Seen, tensors
from keiki.testing.playground import Playground, playground, same, small, weights_of
from keiki.testing.tiny import TinyText

OFF = {
    "l2-sp": {"alpha": 0.0, "beta": 0.0},
    "delta": {"alpha": 0.0, "beta": 0.0},
    "bss": {"eta": 0.0},
    "lwf": {"strength": 0.0},
    "co-tuning": {"strength": 0.0},
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("text", tmp_path_factory.mktemp("ground"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("image", tmp_path_factory.mktemp("pictures"))


def with_values(name: str, **values: Any) -> Method:
    """The small method with further options."""
    return type(make(name))(replace(small(name).config, **values))


def to_the_end(name: str, *, idle: int = 0, **values: Any) -> Method:
    """The same without early stopping, so that what moved stays moved; `idle` phases that do nothing come before the
    descent, whose random streams hang on its number."""
    kind: Any = type(make(name))

    class Through(kind):  # type: ignore[misc]  # the kind is known when it runs
        def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
            for phase in super().phases(model, view):
                if isinstance(phase, Descend):
                    yield from [Solve("nothing", lambda: None)] * idle
                    yield replace(phase, validate=None, patience=0)
                else:
                    yield phase

    return Through(replace(small(name).config, **values))  # type: ignore[no-any-return]


def body_and_head(model: Model) -> dict[str, np.ndarray]:
    kept = ("network/body.", "network/head.")
    return {name: array for name, array in weights_of(model).items() if name.startswith(kept)}


def moved(model: Model) -> float:
    """Distance of the body from its source."""
    source = dict(model.source.named_parameters())
    pairs = [(p, source[name]) for name, p in model.network.body.named_parameters()]
    return float(torch.stack([(p.detach() - p0).square().sum() for p, p0 in pairs]).sum().sqrt())


def descent_of(ground: Playground, method: Method) -> tuple[Model, Descend]:
    """A model on which all phases before the descent have run, and the descent."""
    model = ground.build(method)
    for phase in method.phases(model, ground.view):
        if isinstance(phase, Descend):
            return model, phase
        phase.run()
    raise AssertionError("there is a descent")


def first_batch(phase: Descend) -> Batch:
    return next(iter(phase.feed.batches(0, Randomness(0))))


@pytest.mark.parametrize("name", OFF)
def test_at_strength_0_it_is_plain_fine_tuning_bit_for_bit(ground: Playground, name: str) -> None:
    idle = {"delta": 1, "co-tuning": 1}.get(name, 0)
    same_steps = {
        "weight_decay": 0.0,
        "clip_norm": 0.0,
    }  # the norm of all gradients adds up further zeros in another order
    plain = ground.train(to_the_end("lp-ft", idle=idle, **same_steps))
    found = ground.train(to_the_end(name, **same_steps, **OFF[name]))
    assert moved(plain) > 0
    assert same(body_and_head(plain), body_and_head(found))


def test_a_stronger_pull_leaves_weights_nearer_to_the_source(ground: Playground) -> None:
    far, near = (ground.train(to_the_end("l2-sp", alpha=alpha)) for alpha in (0.0, 100.0))
    assert 0 < moved(near) < 0.5 * moved(far)


def test_a_stronger_pull_leaves_maps_nearer_to_the_source(ground: Playground, pictures: Playground) -> None:
    for each in (ground, pictures):
        far, near = (
            map_distances(each.train(to_the_end("delta", alpha=alpha, label_smoothing=0.0)), each)
            for alpha in (0.0, 1.0)
        )
        assert 0 < near < 0.8 * far


def map_distances(model: Model, ground: Playground) -> float:
    """Sum over stages of the mean squared distance of the maps of test items, in eval mode."""
    feed = model.feed(ground.test, ground.test_labels, len(ground.test), shuffle=False)
    inputs = tensors(next(iter(feed.batches(0, Randomness(0)))), model.network.device)
    pairs = [
        [output_of(body, module, inputs) for body in (model.network.body, model.source)]
        for module in watched(model, "none", 4).values()
    ]
    return sum((ours - theirs).square().mean().item() for ours, theirs in pairs)


@pytest.mark.parametrize("name", ["delta", "lwf"])
def test_statistics_stand_still_so_that_a_network_with_batchnorms_begins_at_its_source(
    pictures: Playground, name: str
) -> None:
    _, phase = descent_of(pictures, small(name))
    assert phase.still


@pytest.mark.parametrize("name", ["l2-sp", "delta", "lwf"])
def test_at_the_source_the_penalty_is_zero(ground: Playground, name: str) -> None:
    values = {"beta": 0.0} if name != "lwf" else {}
    model, phase = descent_of(ground, with_values(name, **values))
    plain, plain_phase = descent_of(ground, with_values("lp-ft"))
    model.network.eval()
    plain.network.eval()
    batch = first_batch(phase)
    difference = phase.moves[0].loss(batch).item() - plain_phase.moves[0].loss(batch).item()
    assert difference == pytest.approx(0.0, abs=1e-6)


def test_weight_decay_is_off_where_the_pull_takes_its_place(ground: Playground) -> None:
    for name in ("l2-sp", "delta"):
        _, phase = descent_of(ground, small(name))
        assert {group.weight_decay for group in phase.moves[0].groups} == {0.0}
        with pytest.raises(OptionError, match="toward the source"):
            make(name, {"weight_decay": 0.01})


def test_bss_adds_its_share_of_the_smallest_singular_values(ground: Playground) -> None:
    model, phase = descent_of(ground, with_values("bss", eta=0.5, k=2))
    plain, plain_phase = descent_of(ground, with_values("lp-ft"))
    model.network.eval()
    plain.network.eval()
    batch = first_batch(phase)
    features = model.network.body(**tensors(batch, model.network.device)).detach().double().numpy()
    values = np.linalg.svd(features, compute_uv=False)
    difference = phase.moves[0].loss(batch).item() - plain_phase.moves[0].loss(batch).item()
    assert difference == pytest.approx(0.5 * np.square(values[-2:]).sum(), rel=1e-4, abs=1e-6)


def test_delta_compares_stages_spread_over_those_that_move(ground: Playground) -> None:
    model = ground.build(small("delta"))
    stages = [stage.name for stage in model.backbone.stages()]
    assert list(watched(model, "none", 99)) == stages
    assert list(watched(model, "none", 1)) == stages[-1:]
    assert list(watched(model, "1", 4)) == stages[1:]
    assert watched(model, "all", 4) == {}


@pytest.mark.parametrize("modality", ["text", "image"])
def test_deltas_loss_is_that_of_its_maps(modality: str, request: pytest.FixtureRequest) -> None:
    """The penalty once more by hand: maps from hooks, attention from what lies aside, no hook left behind."""
    ground: Playground = request.getfixturevalue("ground" if modality == "text" else "pictures")
    model, phase = descent_of(ground, with_values("delta", alpha=0.7, beta=0.3))
    plain, plain_phase = descent_of(ground, with_values("lp-ft"))
    with torch.no_grad():
        for network in (model.network, plain.network):
            torch.manual_seed(0)
            for parameter in network.body.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
            network.eval()
    batch = first_batch(phase)
    inputs = tensors(batch, model.network.device)
    mask = inputs.get("attention_mask")
    total = 0.3 / 2 * sum(p.detach().square().sum().item() for p in model.network.head.parameters())
    for stage, module in watched(model, "none", 4).items():
        ours, theirs = (output_of(body, module, inputs) for body in (model.network.body, model.source))
        attention = model.aside[ATTENTION + stage]
        assert attention.sum() == pytest.approx(1.0, abs=1e-5)
        squared = (ours - theirs).square().double().numpy()
        for i in range(len(squared)):
            if squared.ndim == 4:
                each = squared[i].mean(axis=(1, 2))
            else:
                assert mask is not None
                each = squared[i][: int(mask[i].sum())].mean(axis=0)
            total += 0.7 / 2 * len(attention) * float(attention @ each) / len(squared)
    difference = phase.moves[0].loss(batch).item() - plain_phase.moves[0].loss(batch).item()
    assert difference == pytest.approx(total, rel=1e-4)
    assert not any(m._forward_hooks for body in (model.network, model.source) for m in body.modules())


def output_of(body: torch.nn.Module, module: str, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    seen: list[torch.Tensor] = []
    handle = body.get_submodule(module).register_forward_hook(lambda _m, _i, output: seen.append(output.clone()))
    with torch.no_grad():
        body(**inputs)
    handle.remove()
    return seen[0]


def test_delta_without_a_head_that_fits_wants_uniform_attention(ground: Playground) -> None:
    with pytest.raises(OptionError, match="attention"):
        make("delta", {"start": "zeros"})
    model = ground.train(with_values("delta", start="zeros", attention="uniform"))
    assert model.aside == {}


@pytest.mark.parametrize("name", ["lwf", "co-tuning"])
def test_the_source_head_learns_along_but_does_not_answer(ground: Playground, name: str) -> None:
    model = ground.train(to_the_end(name))
    before = ground.backbone.source_head()
    assert before is not None
    layer = model.network.source_head
    assert layer.weight.shape == before.head.weight.shape
    assert not np.array_equal(layer.weight.detach().numpy(), before.head.weight.astype(np.float32))
    assert model.logits(ground.test).shape[1] == len(model.target.classes)


def test_the_source_head_moves_like_the_stage_below_it(ground: Playground) -> None:
    model, phase = descent_of(ground, with_values("lwf", layer_decay=0.5, unfreeze="epoch"))
    _, top, *_, source = phase.moves[0].groups
    assert [id(p) for p in source.parameters] == [id(p) for p in model.network.source_head.parameters()]
    assert (source.learning_rate, source.wakes, source.weight_decay) == (top.learning_rate, top.wakes, top.weight_decay)
    _, frozen = descent_of(ground, with_values("lwf", freeze="all"))
    assert len(frozen.moves[0].groups) == 1


@pytest.mark.parametrize("name", ["lwf", "co-tuning"])
def test_a_backbone_without_a_classifier_is_refused_by_name(ground: Playground, name: str) -> None:
    bare = TinyText(seed=123)
    with pytest.raises(RequestError, match=f"'{name}' needs the classifier.*tiny.text"):
        make(name).build(bare, ground.task.target, ground.bank())


def test_co_tuning_relates_classes_by_items_that_it_learns_from_alone(ground: Playground) -> None:
    model, phase = descent_of(ground, with_values("co-tuning", relationship="direct"))
    part = learning_part(ground.view, TuningConfig())
    learn, _ = validation_rows(ground.view)
    assert part.items.digests == ground.view.items.take(learn).digests
    probabilities = source_probabilities(model, part)
    table = np.stack([probabilities[part.labels == y].mean(axis=0) for y in range(3)])
    np.testing.assert_allclose(model.aside[RELATIONSHIP], table, rtol=1e-6)
    likest = model.facts["relationship"]["likest"]
    assert likest["blue"][0][0] == f"source-{int(table[0].argmax())}"
    model.network.eval()
    batch = first_batch(phase)
    plain, plain_phase = descent_of(ground, with_values("lp-ft"))
    plain.network.eval()
    difference = phase.moves[0].loss(batch).item() - plain_phase.moves[0].loss(batch).item()
    head = ground.backbone.source_head()
    assert head is not None
    features = plain.network.body(**tensors(batch, plain.network.device)).detach().numpy()
    logits = head.head.logits(features)
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    assert difference == pytest.approx(-2.3 * (table[batch.labels] * log_p).sum(axis=1).mean(), rel=1e-4)


def test_reverse_gives_rows_that_sum_to_one(ground: Playground) -> None:
    model = ground.build(small("co-tuning"))
    relate(model, ground.view, CoTuning.Config())
    np.testing.assert_allclose(model.aside[RELATIONSHIP].sum(axis=1), 1.0, atol=1e-5)
    assert model.facts["relationship"]["sharpness"] > 0


@pytest.mark.parametrize("name", OFF)
def test_refitted_on_all_items_it_claims_no_honest_answers(ground: Playground, name: str) -> None:
    model = ground.train(with_values(name, hold_back="nothing", epochs=1))
    assert model.out_of_fold is None


def test_refitted_on_all_items_it_relates_classes_by_all(ground: Playground) -> None:
    model, _ = descent_of(ground, with_values("co-tuning", hold_back="nothing", relationship="direct"))
    probabilities = source_probabilities(model, ground.view)
    table = np.stack([probabilities[ground.view.labels == y].mean(axis=0) for y in range(3)])
    np.testing.assert_allclose(model.aside[RELATIONSHIP], table, rtol=1e-6)


def test_delta_compares_what_moves_by_the_recipe(ground: Playground) -> None:
    model, phase = descent_of(ground, with_values("delta", freeze="auto"))
    assert model.facts["delta"]["stages"] == [group.name for group in phase.moves[0].groups[:0:-1]]


def test_the_source_is_built_without_a_draw_from_the_common_stream(
    ground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is built inside the first step, also the first after a resume: dropout must not hang on that."""
    build, find = TinyText.module, TinyText.source_head

    def drawing(way: Any) -> Any:
        def drawn(self: TinyText) -> Any:
            torch.rand(3)  # as a network that fills its weights before it loads them
            return way(self)

        return drawn

    model, phase = descent_of(ground, small("lwf"))
    model.network.eval()
    batch = first_batch(phase)
    inputs, labels = tensors(batch, model.network.device), torch.from_numpy(batch.labels)
    features = model.network.through(inputs)
    seen = Seen(batch, inputs, features, model.network.answer(features), labels)
    model.__dict__.pop("source", None)
    monkeypatch.setattr(TinyText, "module", drawing(build))
    monkeypatch.setattr(TinyText, "source_head", drawing(find))
    before = torch.random.get_rng_state()
    assert model.source is not None
    assert torch.equal(torch.random.get_rng_state(), before)
    head = ground.backbone.source_head()
    assert head is not None
    torch.random.set_rng_state(before)
    answers = frozen_answers(model, "lwf")(seen)
    assert torch.equal(torch.random.get_rng_state(), before)
    wanted_answers = head.head.logits(model.source(**inputs).detach().numpy())
    np.testing.assert_allclose(answers.numpy(), wanted_answers, rtol=1e-4, atol=1e-5)


def test_mixed_items_want_their_share_of_two_rows() -> None:
    table = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    batch = Batch(
        {},
        np.array([0, 1]),
        np.array([0, 1]),
        partners=np.array([1, 0]),
        shares=np.array([0.75, 0.5], dtype=np.float32),
        others=np.array([1, 0]),
    )
    nothing = torch.zeros(2, 1)
    rows = wanted(table, Seen(batch, {}, nothing, nothing, torch.from_numpy(batch.labels)))
    assert rows.tolist() == [[0.75, 0.25], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("l2-sp", "alpha", -1.0),
        ("l2-sp", "beta", float("nan")),
        ("delta", "maps", 0),
        ("bss", "eta", -0.1),
        ("bss", "k", 0),
        ("lwf", "strength", -1.0),
        ("lwf", "temperature", 0.0),
        ("co-tuning", "strength", float("inf")),
    ],
)
def test_options_without_sense_are_refused(name: str, option: str, value: float) -> None:
    with pytest.raises(OptionError, match=f"Option '{option}' must be"):
        make(name, {option: value})
