"""Where the head starts on a model of the user's own: classes that it knew keep what it knew of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from keiki.backbones.base import SourceHead
from keiki.backbones.own import OwnBackbone, read_weights
from keiki.methods.known_rows import known_rows
from keiki.nn.linear import LinearHead
from keiki.nn.softmax import softmax
from keiki.testing.playground import Playground, playground, small
from keiki.testing.tiny import WIDTH, TinyText

CLASSES = ("blue", "grey", "red")  # the task has blue, green, red


@pytest.fixture
def head() -> LinearHead:
    rng = np.random.default_rng(0)
    return LinearHead(rng.normal(size=(3, WIDTH)), rng.normal(size=3))


@pytest.fixture
def ground(tmp_path: Path, head: LinearHead) -> Playground:
    """A playground on a network of the user's own with a head for blue, grey and red."""
    found = playground("text", tmp_path)
    save_file({n: t.contiguous() for n, t in TinyText(7).module().state_dict().items()}, tmp_path / "own.safetensors")
    weights, _, _ = read_weights(tmp_path / "own.safetensors", TinyText(), what="It")
    found.backbone = OwnBackbone("mine", TinyText(), weights, SourceHead(CLASSES, head))
    return found


def test_among_classes_that_it_knew_the_answers_are_those_of_the_source(head: LinearHead) -> None:
    """Softmax over the shared classes alone, from both heads: the mean that was taken off cancels."""
    features = np.random.default_rng(1).normal(size=(50, WIDTH))
    found = known_rows(head, CLASSES, ("red", "violet", "blue"))
    assert found is not None
    ours, theirs = found.logits(features)[:, [0, 2]], head.logits(features)[:, [2, 0]]
    np.testing.assert_allclose(softmax(ours), softmax(theirs), atol=1e-12)
    assert not found.weight[1].any()
    assert found.bias[1] == 0


def test_a_new_class_stands_at_the_average_of_the_old_ones(head: LinearHead) -> None:
    features = np.random.default_rng(1).normal(size=(50, WIDTH))
    found = known_rows(head, CLASSES, (*CLASSES, "new"))
    assert found is not None
    np.testing.assert_allclose(found.logits(features)[:, :3].mean(axis=1), found.logits(features)[:, 3], atol=1e-12)


def test_without_a_shared_name_there_is_nothing_to_start_from(head: LinearHead) -> None:
    assert known_rows(head, CLASSES, ("Blue", "dog")) is None


def test_a_network_starts_from_the_rows_that_are_known(ground: Playground, head: LinearHead) -> None:
    model = ground.build(small("full-finetune"))
    mean = head.weight.mean(axis=0)
    rows = model.network.head.weight.detach().double().numpy()
    assert model.target.classes == ("blue", "green", "red")
    np.testing.assert_allclose(rows, [head.weight[0] - mean, 0 * mean, head.weight[2] - mean], atol=1e-6)
    for name, tensor in model.network.body.state_dict().items():
        assert torch.equal(tensor, TinyText(7).module().state_dict()[name])


def test_a_head_that_is_solved_anew_replaces_them(ground: Playground) -> None:
    model = ground.train(small("lp-ft"))
    assert model.head is not None
    assert not np.array_equal(model.head.weight[1], np.zeros(WIDTH))


def test_the_public_backbone_keeps_a_head_of_zeros(tmp_path: Path) -> None:
    """Even where a name is the same: what a public classifier calls 'crane' need not be what the user does."""
    model = playground("text", tmp_path).build(small("full-finetune"))
    assert not model.network.head.weight.detach().numpy().any()
