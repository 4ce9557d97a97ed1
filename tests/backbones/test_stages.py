"""Stages of networks of many shapes: every parameter once, blocks apart, input first."""

import pytest
import torch
from torch import nn

from keiki.backbones.base import Stage
from keiki.backbones.stages import stage_parameters, stages_of
from keiki.engines.torchvision_guard import ensure

BLOCKS = {
    "test_vit": 6,
    "test_convnext": 8,
    "test_resnet": 4,
    "test_byobnet": 4,
    "test_efficientnet": 4,
    "test_maxvit": 4,
    "vit_tiny_patch16_224": 12,
    "swin_tiny_patch4_window7_224": 12,
    "convnext_atto": 12,
    "resnet18": 8,
    "regnety_002": 13,
    "edgenext_xx_small": 12,
    "inception_v3": 11,
    "vgg11": 8,
    "densenet121": 4,
}


def check(module: nn.Module, stages: tuple[Stage, ...]) -> None:
    found = [name for stage in stages for name in stage_parameters(module, stage)]
    assert sorted(found) == sorted(name for name, _ in module.named_parameters())
    assert len({stage.name for stage in stages}) == len(stages)
    for stage in stages:
        assert stage_parameters(module, stage)


@pytest.mark.parametrize(("architecture", "blocks"), BLOCKS.items())
def test_timm_networks_fall_into_their_blocks(architecture: str, blocks: int):
    ensure()
    import timm

    with torch.device("meta"):
        net = timm.create_model(architecture, num_classes=0)
    stages = stages_of(net)
    check(net, stages)
    assert len([stage for stage in stages if stage.name not in ("stem", "head")]) >= blocks


def test_loose_parameters_stand_in_the_stem():
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cls_token = nn.Parameter(torch.zeros(1))
            self.embed = nn.Linear(2, 2)
            self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(4, 2, batch_first=True) for _ in range(2))
            self.norm = nn.LayerNorm(4)

    stages = stages_of(Tokens())
    check(Tokens(), stages)
    assert stages[0] == Stage("stem", ("cls_token", "embed"))
    assert [stage.name for stage in stages] == ["stem", "blocks.0", "blocks.1", "head"]


def test_a_plain_network_has_one_stage_a_layer():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    assert [stage.modules for stage in stages_of(net)] == [("0",), ("2",)]


def test_a_shared_parameter_is_counted_once():
    net = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False), "b": nn.Linear(2, 2, bias=False)})
    net["b"].weight = net["a"].weight
    assert [stage.name for stage in stages_of(net)] == ["a"]
