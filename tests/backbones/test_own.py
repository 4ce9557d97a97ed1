"""A model of the user's own as a backbone: the tensors of a file, under whatever names, on a public architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from keiki.backbones.base import FAMILIES, SourceHead
from keiki.backbones.cache import open_cache
from keiki.backbones.matching import match
from keiki.backbones.own import OwnBackbone, read_head, read_weights
from keiki.core.errors import RequestError
from keiki.engines.onnx import OnnxEngine
from keiki.nn.linear import LinearHead
from keiki.testing.backbones import CHECKS, opened
from keiki.testing.tiny import WIDTH, TinyFamily, TinyText, TinyVision

Save = Callable[..., Path]
SHARED = [check for check in CHECKS.all() if "loading_twice" not in str(check) and "card_is_complete" not in str(check)]


@pytest.fixture(scope="module", autouse=True)
def _tiny() -> Iterator[None]:
    FAMILIES.names()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES._things, "tiny", TinyFamily)
        yield


def tensors(base: TinyVision | TinyText = TinyVision(seed=7)) -> dict[str, torch.Tensor]:  # noqa: B008
    """Weights of the tiny network that are not the public ones."""
    return {name: tensor.clone().contiguous() for name, tensor in base.module().state_dict().items()}


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes tensors as a file, with text beside them."""

    def write(content: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> Path:
        save_file(content, tmp_path / "mine.safetensors", metadata)
        return tmp_path / "mine.safetensors"

    return write


def own(path: Path, base: Any = None, head: SourceHead | None = None) -> OwnBackbone:
    base = base or TinyVision()
    weights, _, _ = read_weights(path, base, what="It")
    return OwnBackbone("mine", base, weights, head)


@pytest.mark.parametrize("check", SHARED, ids=str)
@pytest.mark.parametrize("modality", ["image", "text"])
def test_it_keeps_what_every_backbone_promises(modality: str, check: Any, save: Save, tmp_path: Path) -> None:
    base = TinyVision() if modality == "image" else TinyText()
    backbone = own(save(tensors(type(base)(seed=7))), base)
    check(opened(backbone.card.name, backbone, open_cache(), tmp_path / "items"))


def test_it_answers_with_the_weights_of_the_file_and_not_with_the_public_ones(save: Save) -> None:
    backbone = own(save(tensors()))
    image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mine, theirs, public = (m(image) for m in (backbone.module(), TinyVision(7).module(), TinyVision().module()))
    assert torch.equal(mine, theirs)
    assert not torch.allclose(mine, public)
    graph = OnnxEngine(backbone.graph(backbone.transform, open_cache().graphs))  # type: ignore[arg-type]
    np.testing.assert_allclose(graph.run({"image": image.numpy()}), theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize("prefix", ["", "net.", "backbone.", "model.", "module.", "module.model.", "backbone.net."])
def test_names_may_stand_behind_a_prefix(prefix: str, save: Save) -> None:
    path = save({prefix + name: tensor for name, tensor in tensors().items()})
    for name, tensor in own(path).own_weights().items():
        assert np.array_equal(tensor, tensors()[name].numpy())


def test_names_without_the_wrapper_of_the_network_and_with_it() -> None:
    """Ours are called net.*, those of timm and transformers are not; half-wrapped files are theirs, too."""
    network = {"net.conv.weight": (4, 3), "net.conv.bias": (4,)}
    for prefix in ("", "net.", "model.", "bert.", "module.model.", "backbone.net."):
        file = {f"{prefix}conv.weight": (4, 3), f"{prefix}conv.bias": (4,), "classifier.weight": (2, 4)}
        found = match({**file, "classifier.bias": (2,)}, network, width=4)
        assert found.fits
        assert found.names == {name: prefix + name.removeprefix("net.") for name in network}
        assert found.head == ("classifier.weight", "classifier.bias")


def test_a_larger_network_of_the_same_kind_is_not_taken_for_this_one() -> None:
    """ResNet-34 holds every tensor of ResNet-18 in its shape, and more blocks besides."""
    small = {"layer1.0.conv.weight": (8, 8), "layer1.1.conv.weight": (8, 8)}
    found = match({**small, "layer1.2.conv.weight": (8, 8), "fc.weight": (5, 8), "fc.bias": (5,)}, small, width=8)
    assert found.foreign == ("layer1.2.conv.weight",)
    assert not found.fits
    assert match({**small, "fc.weight": (5, 8), "fc.bias": (5,)}, small, width=8).fits


def test_a_classifier_inside_a_part_that_the_network_has_is_a_classifier() -> None:
    """ConvNeXt: head.norm belongs to the body, head.fc does not."""
    network = {"net.stem.weight": (8, 3), "net.head.norm.weight": (8,)}
    file = {"stem.weight": (8, 3), "head.norm.weight": (8,), "head.fc.weight": (5, 8), "head.fc.bias": (5,)}
    found = match(file, network, width=8)
    assert found.fits
    assert found.head == ("head.fc.weight", "head.fc.bias")


def test_more_than_one_layer_behind_the_features_is_no_head() -> None:
    """BERT's classifier stands on its pooler, not on the features."""
    network = {"net.embeddings.weight": (9, 8)}
    pooled = {"bert.pooler.dense.weight": (8, 8), "bert.pooler.dense.bias": (8,)}
    file = {"bert.embeddings.weight": (9, 8), **pooled, "classifier.weight": (2, 8), "classifier.bias": (2,)}
    assert match(file, network, width=8).head is None
    assert match(file, network, width=8).fits


def test_old_files_without_counters_fit() -> None:
    network = {"norm.weight": (8,), "norm.num_batches_tracked": ()}
    assert match({"norm.weight": (8,)}, network, width=8).fits
    assert match({"norm.weight": (8,), "norm.position_ids": (1, 9)}, network, width=8).fits


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read(dtype: torch.dtype, save: Save) -> None:
    half = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in tensors().items()}
    for name, tensor in own(save(half)).module().state_dict().items():
        assert tensor.dtype == tensors()[name].dtype
        assert torch.allclose(tensor.float(), tensors()[name].float(), atol=1e-2)


def test_a_damaged_file_is_refused(save: Save) -> None:
    path = save(tensors())
    whole = path.read_bytes()
    for content in (b"", b"not safetensors at all", whole[: len(whole) // 2], b"\x80\x02}q\x00."):
        path.write_bytes(content)
        with pytest.raises(RequestError, match="cannot be read as safetensors"):
            own(path)


def test_values_that_are_no_numbers_are_refused(save: Save) -> None:
    bad = tensors()
    bad["blocks.0.conv.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(RequestError, match=r"no numbers, in 'blocks.0.conv.weight'"):
        own(save(bad))


def test_another_architecture_is_named_by_what_misses_and_what_it_looks_like(save: Save) -> None:
    with pytest.raises(RequestError) as told:
        own(save(tensors(TinyText())))
    assert "it lacks 'stem.0.weight'" in str(told.value)
    assert "It looks like 'tiny:text', which is for texts, not for images." in str(told.value)


def test_another_width_is_named_with_both_shapes(save: Save) -> None:
    bad = tensors()
    bad["blocks.1.conv.weight"] = torch.zeros(16, 8, 3, 3)
    with pytest.raises(RequestError, match=r"'blocks.1.conv.weight' is 16 x 8 x 3 x 3 instead of 16 x 16 x 3 x 3"):
        own(save(bad))


def test_a_file_that_changes_while_it_is_used_is_refused(save: Save) -> None:
    backbone = own(save(tensors()))
    save(tensors(TinyVision(seed=8)))
    with pytest.raises(RequestError, match="was changed while keiki was using it"):
        backbone.module()


def test_digests_tell_weights_heads_and_architectures_apart_and_nothing_else(save: Save, tmp_path: Path) -> None:
    head = SourceHead(("a", "b"), LinearHead(np.zeros((2, WIDTH)), np.zeros(2)))
    renamed = SourceHead(("a", "c"), head.head)
    found = {own(save(tensors()), head=each).card.digest for each in (None, head, renamed)}
    found |= {own(save(tensors(TinyVision(8)))).card.digest, TinyVision().card.digest}
    assert len(found) == 5
    wrapped = save({f"model.{name}": tensor for name, tensor in tensors().items()})
    assert own(wrapped, head=head).card.digest in found


def test_without_weights_of_its_own_the_features_are_the_public_ones() -> None:
    head = SourceHead(("a", "b"), LinearHead(np.ones((2, WIDTH)), np.zeros(2)))
    backbone = OwnBackbone("probe", TinyVision(), None, head)
    assert backbone.body.card == TinyVision().card
    assert backbone.own_weights() == {}
    assert backbone.source_head() is head
    folder = open_cache().graphs
    assert backbone.graph(backbone.transform, folder) == TinyVision().graph(backbone.transform, folder)


def test_the_preprocessing_that_it_was_made_with_comes_first(save: Save) -> None:
    crop = TinyVision().transforms()["crop-32"]
    weights, _, _ = read_weights(save(tensors()), TinyVision(), what="It")
    assert list(OwnBackbone("mine", TinyVision(), weights, None, crop).transforms()) == ["crop-32", "squash-32"]


def test_a_head_in_the_file_is_read_as_it_stands(save: Save) -> None:
    weight, bias = torch.randn(3, WIDTH), torch.randn(3)
    path = save({**tensors(), "fc.weight": weight, "fc.bias": bias})
    _, found, _ = read_weights(path, TinyVision(), what="It")
    assert found.head == ("fc.weight", "fc.bias")
    read = read_head(path, found.head)
    assert np.array_equal(read[0], weight.double().numpy())
    assert np.array_equal(read[1], bias.double().numpy())
