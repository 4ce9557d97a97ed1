"""LoRA, scale and shift, adapters: on networks of many families, against peft, and what they refuse."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from keiki.backbones.base import Backbone, Stage, load
from keiki.backbones.stages import stages_of
from keiki.core.errors import OptionError, RequestError, UnknownName
from keiki.core.places import cache_root
from keiki.data.task import Target
from keiki.data.transforms.base import Array, Transform
from keiki.engines.convert import convert
from keiki.engines.onnx import OnnxEngine
from keiki.engines.torch import TorchEngine
from keiki.engines.torchvision_guard import ensure
from keiki.methods.base import Descend, Model, Solve, make
from keiki.methods.tuning import groups
from keiki.nn.adapters import NAME, Adapter
from keiki.nn.low_rank import LowRank
from keiki.nn.pooling import ImageFeatures, TextFeatures
from keiki.nn.weight_changes import WeightChange, merge
from keiki.testing.playground import Playground, playground, small
from keiki.testing.tiny import TinyText, TinyVision

METHODS = ("lora", "film", "adapter")
MERGED = ("lora", "film")
TARGET = Target(("a", "b", "c"))
BERT = {
    "vocab_size": 30,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
}
DEBERTA = BERT | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "max_relative_positions": 20}
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", BERT),
    "electra": ("Electra", BERT | {"embedding_size": 8}),
    "distilbert": (
        "DistilBert",
        {"vocab_size": 30, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24, "max_position_embeddings": 20},
    ),
    "deberta-v2": ("DebertaV2", DEBERTA),
    "albert": ("Albert", BERT | {"embedding_size": 8}),
}
PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("vit_tiny_patch16_224", {"embed_dim": 16, "depth": 2, "num_heads": 2, "img_size": 32, "patch_size": 8}),
    "convnext": ("convnext_atto", {"depths": (1, 1, 1, 1), "dims": (8, 16, 16, 24)}),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"img_size": 32, "patch_size": 2, "window_size": 4, "embed_dim": 16, "depths": (1, 2), "num_heads": (1, 2)},
    ),
    "resnet18": ("resnet18", {"channels": (8, 8, 16, 16)}),
    "regnet": ("regnety_002", {}),
    "lite0": ("tf_efficientnet_lite0", {}),
}


class Small(Backbone):
    """A random network of an architecture."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.modality = "image" if family in PICTURES else "text"
        self._width = int(TorchEngine(self.module()).run(self.examples(self.transform)[0]).shape[1])
        self.card = replace(TinyVision().card, name=family, width=self._width)

    @property
    def network_width(self) -> int:
        return self._width

    def transforms(self) -> dict[str, Transform]:
        return (TinyVision() if self.modality == "image" else TinyText()).transforms()

    def module(self) -> nn.Module:
        ensure()
        torch.manual_seed(0)
        if self.modality == "image":
            import timm

            architecture, options = PICTURES[self.family]
            return ImageFeatures(timm.create_model(architecture, num_classes=0, **options)).eval()
        import transformers

        name, options = ENCODERS[self.family]
        config = getattr(transformers, f"{name}Config")(**options)
        return TextFeatures(getattr(transformers, f"{name}Model")(config), ("mean",), normalise=False).eval()

    def stages(self) -> tuple[Stage, ...]:
        return stages_of(self.module(), inside="net")

    def examples(self, transform: Transform) -> tuple[dict[str, Array], dict[str, Array]]:
        return (TinyVision() if self.modality == "image" else TinyText()).examples(transform)


@pytest.fixture(scope="module")
def backbones() -> Callable[[str], Backbone]:
    made: dict[str, Backbone] = {}

    def give(family: str) -> Backbone:
        return made.setdefault(family, Small(family))

    return give


def build(backbone: Backbone, name: str, **options: Any) -> Model:
    bank: Any = None
    return make(name, options).build(backbone, TARGET, bank)


def answers(model: Model) -> np.ndarray:
    example, _ = model.backbone.examples(model.backbone.transform)
    return TorchEngine(model.network.body).run(example)


def added(model: Model) -> list[nn.Parameter]:
    return [p for m in model.network.body.modules() if isinstance(m, WeightChange | Adapter) for p in m.parameters()]


def stir(model: Model) -> None:
    """Give all that was added values of its own, small enough that the network still answers sensibly."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in added(model):
            parameter.copy_(0.05 * torch.randn_like(parameter))


def moves(model: Model) -> Any:
    from keiki.methods.adapter import _is_adapter
    from keiki.methods.merged_tuning import _is_change

    return lambda name, owner: _is_adapter(name, owner) or _is_change(name, owner)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("family", [*PICTURES, *ENCODERS])
def test_every_family_starts_unchanged_and_moves_what_was_added(
    family: str, name: str, backbones: Callable[[str], Backbone]
) -> None:
    backbone = backbones(family)
    model = build(backbone, name)
    pretrained = TorchEngine(backbone.module()).run(backbone.examples(backbone.transform)[0])
    scale = np.abs(pretrained).max()
    assert np.abs(answers(model) - pretrained).max() <= 1e-6 * scale
    held = [path for _, parameters in model.parts() for path in parameters]
    assert sorted(held) == sorted(path for path, _ in model.network.body.named_parameters())
    found = groups(model, replace(make(name).config, head_rate=1e-3), moves(model))
    moving = {id(p) for group in found for p in group.parameters}
    assert moving == {id(p) for p in [*added(model), *model.network.head.parameters()]}
    stir(model)
    unmerged = answers(model)
    assert np.abs(unmerged - pretrained).max() > 1e-3 * scale
    merge(model.network)
    np.testing.assert_array_equal(answers(model), unmerged)
    plain = set(backbone.module().state_dict())
    assert {n for n in model.network.body.state_dict() if NAME not in n} == plain
    assert (name == "adapter") == any(NAME in n for n in model.network.body.state_dict())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("family", ["convnext", "swin", "distilbert"])
def test_a_step_moves_what_was_added_and_nothing_else(
    family: str, name: str, backbones: Callable[[str], Backbone]
) -> None:
    model = build(backbones(family), name)
    stir(model)
    own = {id(p) for p in added(model)}
    for parameter in model.network.parameters():
        parameter.requires_grad_(id(parameter) in own)
    example, _ = model.backbone.examples(model.backbone.transform)
    model.network.body(**{n: torch.from_numpy(a.copy()) for n, a in example.items()}).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.abs().max() > 0) for p in added(model))
    assert all(p.grad is None for p in model.network.parameters() if id(p) not in own)


@pytest.mark.parametrize("name", METHODS)
def test_frozen_stages_are_left_alone(name: str, backbones: Callable[[str], Backbone]) -> None:
    backbone = backbones("vit")
    model = build(backbone, name, freeze="-2")
    lowest = len(backbone.stages()) - 2
    bare = () if name == "film" else ("head",)  # a norm alone
    for at, (stage, parameters) in enumerate(model.parts()):
        changed = any("parametrizations" in path or NAME in path for path in parameters)
        assert changed == (at >= lowest and stage not in bare), stage


def test_depthwise_and_small_weights_are_left_out_aloud(backbones: Callable[[str], Backbone]) -> None:
    found = build(backbones("lite0"), "lora").facts["changed"]
    assert "net.blocks.1.0.conv_dw" in found["left_out"]
    assert "net.blocks.6.0.conv_pw" in found["layers"]
    assert not any("conv_dw" in layer for layer in found["layers"])
    regnet = build(backbones("regnet"), "lora", rank=4)
    grouped = regnet.network.body.get_submodule("net.s4.b2.conv2.conv")
    assert grouped.groups == 46
    assert tuple(grouped.parametrizations.weight[0].A.shape) == (46 * 4, 8 * 9)


def test_the_bias_of_a_layer_without_one_is_not_shifted(backbones: Callable[[str], Backbone]) -> None:
    changed = [n for n, _ in build(backbones("resnet18"), "film").network.body.named_parameters() if ".0.change" in n]
    assert "net.conv1.parametrizations.weight.0.change" in changed
    assert "net.conv1.parametrizations.bias.0.change" not in changed
    assert "net.bn1.parametrizations.bias.0.change" in changed


# Bad input.


def test_targets_that_match_nothing_are_refused_with_the_names_that_exist(
    backbones: Callable[[str], Backbone],
) -> None:
    with pytest.raises(UnknownName, match="no target 'qurey'. Did you mean 'query'.*Known: .*dense.*value"):
        build(backbones("bert"), "lora", targets="qurey,value")
    with pytest.raises(UnknownName, match="no target 'layer.9'"):
        build(backbones("bert"), "film", targets="layer.9")
    with pytest.raises(UnknownName, match="no target 'layer.0'"):  # it is frozen
        build(backbones("bert"), "lora", targets="layer.0", freeze="-2")
    with pytest.raises(OptionError, match="names no layer"):
        build(backbones("bert"), "film", targets=" , ")


def test_targets_are_whole_parts_of_names(backbones: Callable[[str], Backbone]) -> None:
    found = build(backbones("bert"), "lora", targets="layer.1.attention, query", rank=2).facts["changed"]["layers"]
    ends = {name.removeprefix("net.encoder.layer.") for name in found}
    assert ends == {
        "0.attention.self.query",
        "1.attention.self.query",
        "1.attention.self.key",
        "1.attention.self.value",
        "1.attention.output.dense",
    }


def test_a_rank_that_no_weight_can_have_is_refused(backbones: Callable[[str], Backbone]) -> None:
    with pytest.raises(OptionError, match="'rank' must be at least 1"):
        make("lora", {"rank": 0})
    with pytest.raises(OptionError, match="'alpha' must be above 0"):
        make("lora", {"alpha": 0.0})
    with pytest.raises(OptionError, match=r"'rank' is 17, but .*query' \(16 x 16\) and 1 other"):
        build(backbones("bert"), "lora", targets="query", rank=17)
    with pytest.raises(OptionError, match=r"'rank' is 60, but .*smaller than its change would be"):
        build(backbones("bert"), "lora", rank=60)
    assert build(backbones("bert"), "lora", targets="query", rank=16).facts["changed"]["left_out"]
    with pytest.raises(OptionError, match="'reduction' must be at least 1"):
        make("adapter", {"reduction": 0})


@pytest.mark.parametrize("name", METHODS)
def test_nothing_left_to_move_is_refused(name: str, backbones: Callable[[str], Backbone]) -> None:
    with pytest.raises(OptionError, match="'freeze' is 'all': no stage is left"):
        build(backbones("bert"), name, freeze="all")


def test_no_block_left_to_follow_is_refused(backbones: Callable[[str], Backbone]) -> None:
    with pytest.raises(RequestError, match="No stage of 'vit' that may move"):
        build(backbones("vit"), "adapter", freeze="-1")


# Whole fits.


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Playground]:
    return {m: playground(m, tmp_path_factory.mktemp(m)) for m in ("image", "text")}


@pytest.mark.parametrize("modality", ["image", "text"])
@pytest.mark.parametrize("name", MERGED)
def test_merging_changes_no_answer_and_gives_the_plain_names(
    name: str, modality: str, grounds: dict[str, Playground]
) -> None:
    ground = grounds[modality]
    method = small(name)
    model = ground.build(method)
    plain = model.backbone.module().state_dict()
    stir(model)
    model.facts["moved"] = sorted(f"body.{n}" for n, _ in model.network.body.named_parameters() if "original" not in n)
    before = answers(model)
    phases = {phase.name: phase for phase in method.phases(model, ground.view)}
    assert isinstance(phases["merge"], Solve)
    phases["merge"].run()
    np.testing.assert_array_equal(answers(model), before)
    assert set(model.network.body.state_dict()) == set(plain)
    assert model.facts["merged"] is True
    assert {n.removeprefix("body.") for n in model.facts["moved"]} <= set(plain)


@pytest.mark.parametrize("name", MERGED)
def test_a_merged_state_goes_back_into_a_fresh_network(name: str, grounds: dict[str, Playground]) -> None:
    ground = grounds["image"]
    trained = ground.trained(name)
    fresh = ground.build(small(name))
    fresh.restore(*trained.state())
    np.testing.assert_array_equal(fresh.logits(ground.test), trained.logits(ground.test))
    assert fresh.trained_parameters() == trained.trained_parameters()


@pytest.mark.parametrize("name", METHODS)
def test_the_trained_share_is_that_of_what_was_added(name: str, grounds: dict[str, Playground]) -> None:
    ground = grounds["image"]
    model = ground.build(small(name))
    numbers = sum(p.numel() for p in [*added(model), *model.network.head.parameters()])
    total = sum(p.numel() for p in model.network.parameters())
    trained = ground.trained(name)
    assert trained.facts["trainable"] == pytest.approx(numbers / total)
    assert trained.trained_parameters() == numbers
    (phase,) = [p for p in small(name).phases(model, ground.view) if isinstance(p, Descend)]
    assert phase.still


def test_lora_moves_each_weight_within_its_rank(grounds: dict[str, Playground]) -> None:
    options = {"rank": 3, "learning_rate": 1e-2, "epochs": 4, "batch_size": 8, "start": "zeros"}
    trained = grounds["text"].train(make("lora", options))
    before = trained.backbone.module().state_dict()
    ways = [tensor - before[name] for name, tensor in trained.network.body.state_dict().items()]
    matrices = [torch.linalg.svdvals(way.double()) for way in ways if way.dim() > 1 and bool(way.any())]
    assert matrices
    for singular in matrices:
        assert float(singular[2]) > 100 * float(singular[3])


# Against peft, and on the networks that ship.


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks transformers for it
def test_minilm_query_and_value_are_those_of_peft(home: Path) -> None:
    ensure()
    import peft

    model = build(load("minilm-l6"), "lora", targets="query,value", rank=8, alpha=16.0)
    theirs: Any = peft.get_peft_model(
        model.backbone.module().get_submodule("net"),
        peft.LoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"], lora_dropout=0.0),
    ).eval()
    stir(model)
    twins = dict(theirs.base_model.model.named_modules())
    with torch.no_grad():
        for path, module in model.network.body.named_modules():
            if isinstance(module, LowRank):
                twin = twins[path.removeprefix("net.").partition(".parametrizations")[0]]
                twin.lora_A["default"].weight.copy_(module.A)
                twin.lora_B["default"].weight.copy_(module.B)
    assert sum(p.numel() for p in added(model)) == theirs.get_nb_trainable_parameters()[0]
    example, _ = model.backbone.examples(model.backbone.transform)
    tokens = {name: torch.from_numpy(array) for name, array in example.items()}
    with torch.no_grad():
        ours = model.network.body.net(**tokens).last_hidden_state
        same = theirs(**tokens).last_hidden_state
    assert float((ours - same).abs().max()) <= 1e-5 * float(same.abs().max())
    merge(model.network)
    merged = theirs.merge_and_unload().state_dict()
    for name, tensor in model.network.body.net.state_dict().items():
        torch.testing.assert_close(tensor, merged[name], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("shipped", ["efficientnet-lite0", "minilm-l6"])
def test_adapters_convert_with_the_networks_that_ship(shipped: str, home: Path) -> None:
    backbone = load(shipped)
    model = build(backbone, "adapter")
    stir(model)
    torch.nn.init.normal_(model.network.head.weight, generator=torch.Generator().manual_seed(0))
    example, witness = backbone.examples(backbone.transform)
    graph = convert(
        lambda: model.network.body, example, witness, f"adapter-{shipped}", cache_root(os.environ) / "graphs"
    )
    features = torch.from_numpy(OnnxEngine(graph).run(witness))
    with torch.no_grad():
        logits = model.network.head(torch.from_numpy(TorchEngine(model.network.body).run(witness)))
        assert float((model.network.head(features) - logits).abs().max()) <= 1e-4
