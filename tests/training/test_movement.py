"""What is said of a trained network: how far each part is from its source, and what a set of tensors is known by."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from keiki.backbones.stages import stages_of
from keiki.testing.playground import Playground, playground, small
from keiki.testing.tiny_networks import TinyConvolutions
from keiki.training.movement import HEAD, movement

Array = np.ndarray


def built(moved: list[str]) -> Any:
    """A network on two convolutional blocks with a head, and its source, as the trainer has them; nothing moved yet."""
    body, source = TinyConvolutions(1), TinyConvolutions(1)
    network = nn.Module()
    network.body, network.head = body, nn.Linear(16, 3)
    backbone = SimpleNamespace(stages=lambda: stages_of(TinyConvolutions(1)))
    return SimpleNamespace(network=network, source=source, backbone=backbone, facts={"moved": moved})


def by_name(found: dict[str, Any]) -> dict[str, Any]:
    return {stage["name"]: stage for stage in found["stages"]}


def shaken(module: nn.Module, size: float) -> None:
    """Add noise to all weights, and to the running means and variances."""
    random = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor += size * torch.randn(tensor.shape, generator=random)


def slow(now: dict[str, Array], before: dict[str, Array], names: list[str]) -> tuple[float, float]:
    """Distance and relative distance, number by number."""
    way = begun = 0.0
    for name in names:
        for a, b in zip(now[name].ravel().tolist(), before[name].ravel().tolist(), strict=True):
            way += (a - b) ** 2
            begun += b**2
    return way**0.5, (way / begun) ** 0.5


def arrays(module: nn.Module) -> dict[str, Array]:
    return {name: tensor.detach().double().numpy() for name, tensor in module.state_dict().items()}


def test_distances_are_those_that_a_slow_witness_finds() -> None:
    model = built(["body.blocks.1.conv.weight", "head.weight", "head.bias"])
    shaken(model.network.body.blocks[1], 0.1)
    found = by_name(movement(model))
    now, before = arrays(model.network.body), arrays(model.source)
    for stage, prefix in (("stem", "stem."), ("blocks.0", "blocks.0."), ("blocks.1", "blocks.1.")):
        weights = [name for name, _ in model.source.named_parameters() if name.startswith(prefix)]
        distance, relative = slow(now, before, weights)
        assert found[stage]["distance"] == pytest.approx(distance, rel=1e-12)
        assert found[stage]["relative"] == pytest.approx(relative, rel=1e-12)
        running = [name for name in before if name.startswith(prefix) and ".running_" in f".{name}"]
        assert found[stage]["statistics"] == pytest.approx(slow(now, before, running)[1], rel=1e-12)
    assert found["blocks.1"]["distance"] > 0 == found["stem"]["distance"] == found["blocks.0"]["statistics"]
    whole = movement(model)
    every = [name for name, _ in model.source.named_parameters()]
    assert (whole["distance"], whole["relative"]) == pytest.approx(slow(now, before, every), rel=1e-12)


def test_numbers_that_could_move_are_counted_by_stage() -> None:
    found = by_name(movement(built(["body.blocks.1.conv.weight", "head.weight", "head.bias"])))
    assert [(name, each["moving"], each["parameters"]) for name, each in found.items()] == [
        ("stem", 0, 3 * 8 * 9 + 8 + 2 * 8),
        ("blocks.0", 0, 8 * 16 * 9 + 16 + 2 * 16),
        ("blocks.1", 16 * 16 * 9, 16 * 16 * 9 + 16 + 2 * 16),
        (HEAD, 51, 51),
    ]
    assert found[HEAD]["added"] == 51
    assert found[HEAD]["distance"] is None
    assert found["stem"]["added"] == 0


class LowRank(nn.Module):
    """w + up down^T, as low-rank updates are."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.up, self.down = nn.Parameter(torch.ones(rows, 1)), nn.Parameter(torch.full((columns, 1), 0.5))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + (self.up @ self.down.T).reshape(weight.shape)


def test_a_computed_weight_counts_by_its_effective_value() -> None:
    updates = ["body.blocks.0.conv.parametrizations.weight.0.up", "body.blocks.0.conv.parametrizations.weight.0.down"]
    model = built(updates)
    parametrize.register_parametrization(model.network.body.blocks[0].conv, "weight", LowRank(16, 72))
    found = movement(model)
    stage = by_name(found)["blocks.0"]
    assert stage["distance"] == pytest.approx((16 * 72 * 0.25) ** 0.5)
    assert stage["moving"] == stage["added"] == 16 + 72
    assert stage["parameters"] == 8 * 16 * 9 + 16 + 2 * 16 + 88
    assert found["added"] == sorted(name.removeprefix("body.") for name in updates)
    assert by_name(found)["blocks.1"]["added"] == 0
    parametrize.remove_parametrizations(model.network.body.blocks[0].conv, "weight")
    model.facts["moved"] = ["body.blocks.0.conv.weight"]  # as a method says that has merged
    merged = by_name(movement(model))["blocks.0"]
    assert merged["distance"] == pytest.approx(stage["distance"])
    assert (merged["moving"], merged["added"]) == (8 * 16 * 9, 0)


def test_an_added_part_lies_in_the_stage_that_it_was_added_to() -> None:
    model = built(["body.blocks.1.extra.weight", "body.loose"])
    model.network.body.blocks[1].extra = nn.Linear(4, 2, bias=False)
    model.network.body.register_parameter("loose", nn.Parameter(torch.zeros(5)))
    model.network.second_head = nn.Linear(2, 1)
    found = by_name(movement(model))
    assert found["blocks.1"]["added"] == found["blocks.1"]["moving"] == 8
    assert found["beside the stages"] == {
        "name": "beside the stages", "parameters": 8, "moving": 5, "added": 8, "distance": None, "relative": None,
        "statistics": None,
    }  # fmt: skip


def test_a_part_that_begins_at_zero_has_no_relative_distance() -> None:
    model = built([])
    for module in (model.network.body, model.source):
        with torch.no_grad():
            for parameter in module.stem.parameters():
                parameter.zero_()
    shaken(model.network.body.stem, 1.0)
    stem = by_name(movement(model))["stem"]
    assert stem["relative"] is None
    assert stem["distance"] > 0


def test_it_survives_json() -> None:
    found = movement(built(["head.weight"]))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("image", tmp_path_factory.mktemp("ground"))


def test_a_trained_model_is_told_of(ground: Playground) -> None:
    model = ground.trained(small("full-finetune").name)
    model.facts["moved"] = [name for name, _ in model.network.named_parameters()]
    found = movement(model)
    assert [stage["name"] for stage in found["stages"]] == [*(name for name, _ in model.parts()), HEAD]
    assert all(stage["moving"] == stage["parameters"] for stage in found["stages"])
    assert all(stage["relative"] > 0 for stage in found["stages"][:-1])
