"""Methods keep every promise with every head, and their bundles answer like them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keiki.artifacts.bundle import Bundle
from keiki.backbones.base import load
from keiki.core.errors import OptionError
from keiki.methods.base import Method
from keiki.methods.tuning import validation_rows
from keiki.pipeline.familiar import measured
from keiki.testing import methods
from keiki.testing import playground as grounds
from keiki.testing.check import Check
from keiki.testing.methods import CHECKS
from keiki.testing.playground import Playground, playground, small

CASES = [
    ("full-finetune", "cosine", "image"),
    ("full-finetune", "mlp", "text"),
    ("lp-ft", "cosine", "text"),
    ("lp-ft", "mlp", "image"),
]


def with_head(name: str, head: str, **values: object) -> Method:
    """`small(name)` with another head, whose rate is that of the contract's small networks."""
    method = small(name)
    return type(method)(replace(method.config, head=head, hidden=32, head_dropout=0.1, **values))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], Playground]:
    return {case: playground(case[2], tmp_path_factory.mktemp("-".join(case))) for case in CASES}  # type: ignore[arg-type]


@pytest.mark.parametrize("check", CHECKS.all(), ids=str)
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_a_method_keeps_its_promises_with_another_head(
    case: tuple[str, str, str],
    check: Check,
    kept: dict[tuple[str, str, str], Playground],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, head, _ = case
    for module in (methods, grounds):
        monkeypatch.setattr(module, "small", lambda asked, **options: with_head(asked, head, **options))
    check(kept[case], name)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("text", tmp_path_factory.mktemp("ground"))


def test_an_mlp_starts_exactly_where_the_probe_ends(ground: Playground) -> None:
    first = [
        ground.train(with_head("lp-ft", head)).facts["curves"][0]["epochs"][0]["validation_loss"]
        for head in ("linear", "mlp", "cosine")
    ]
    assert first[1] == pytest.approx(first[0], rel=1e-5)
    assert first[2] < np.log(3)  # near the probe: better than knowing nothing


def test_the_hidden_layer_is_drawn_from_the_seed_of_the_fit(ground: Playground) -> None:
    other = replace(ground.view, random=ground.view.random.child("other"))
    first, same, second = (
        ground.train(with_head("full-finetune", "mlp"), view=view) for view in (ground.view, ground.view, other)
    )
    drawn = [model.network.neck.weight.detach().numpy() for model in (first, same, second)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.abs(drawn[0] - drawn[2]).max() > 0.01


def test_an_mlp_too_narrow_for_the_probe_is_refused_with_a_way_out(ground: Playground) -> None:
    method = small("lp-ft")
    narrow = type(method)(replace(method.config, head="mlp", hidden=5))
    with pytest.raises(OptionError, match="takes two a class") as found:
        ground.train(narrow)
    assert "hidden=6" in str(found.value.hint)


@pytest.mark.parametrize("head", ["cosine", "mlp"])
def test_the_neck_belongs_to_the_bundle(ground: Playground, head: str) -> None:
    from safetensors.numpy import load_file

    model = ground.train(with_head("full-finetune", head))
    folder = methods._bundle(ground, f"neck-{head}", model)
    found = load_file(folder / "model.safetensors")
    width = 32 if head == "mlp" else 16
    assert found["head.weight"].shape == (3, width)
    assert Bundle.open(folder).width == width
    necks = {name: values for name, values in found.items() if name.startswith("backbone.neck.")}
    own = model.network.neck.state_dict()
    assert set(necks) == {f"backbone.neck.{name}" for name in own}
    for name, values in own.items():
        np.testing.assert_array_equal(necks[f"backbone.neck.{name}"], values.numpy())
    if head == "cosine":
        assert not found["head.bias"].any()
        lengths = np.linalg.norm(found["head.weight"], axis=1)
        np.testing.assert_allclose(lengths, lengths[0], rtol=1e-5)


@pytest.mark.parametrize("head", ["cosine", "mlp"])
def test_distances_are_measured_behind_the_neck(tmp_path: Path, head: str) -> None:
    from keiki.backbones.cache import Cache
    from keiki.core.random import Randomness
    from keiki.core.record import Record
    from keiki.data.split import make_task
    from keiki.engines.plan import make_plan
    from keiki.pipeline.deliver import take_apart
    from keiki.selection.workshop import Workshop
    from keiki.testing.tiny import easy_dataset, tiny_backbone

    task = make_task(easy_dataset("text", tmp_path, n_each=24), seed=0)
    ground = Playground(task, tiny_backbone("text"), Cache(tmp_path / "cache"), make_plan(threads=1), tmp_path)
    model = ground.train(with_head("full-finetune", head))
    shop = Workshop(ground.backbone, ground.cache, ground.bank(), ground.plan, Randomness(0), Record())
    found = measured(model, ground.view, take_apart(model, shop).graph, 1)
    assert found.yardstick is not None
    features = np.asarray(found.features(ground.test))
    assert features.shape == (len(ground.test), 32 if head == "mlp" else 16)
    if head == "cosine":
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0, rtol=1e-5)
    else:
        assert features.min() == 0.0


@pytest.mark.slow
def test_lite0_with_a_cosine_head_is_bundled_and_answers_alike(tmp_path: Path) -> None:
    from keiki.nn.network import put_head

    small_ground = playground("image", tmp_path)
    ground = replace(small_ground, backbone=load("efficientnet-lite0"), finished={})
    probe = ground.train(small("linear-probe"))
    assert probe.head is not None
    model = ground.build(with_head("full-finetune", "cosine"))
    model.transform_name = probe.transform_name
    learn, _ = validation_rows(ground.view)
    put_head(model.network, probe.head, probe.features(ground.view.items.take(learn)))
    folder = methods._bundle(ground, "lite0", model)  # proves that it answers like the network
    answers = Bundle.open(folder).predict(ground.test.raws)
    logits = model.logits(ground.test)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.abs(powers / powers.sum(axis=1, keepdims=True) - answers.probabilities).max() < 1e-4
