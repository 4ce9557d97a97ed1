"""The classifier of the pretraining: with it a backbone answers like the network that was published."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from keiki.backbones.base import load
from keiki.backbones.timm import lite0_weights
from keiki.backbones.timm_classifier import class_names, linear_classifier
from keiki.engines.torchvision_guard import ensure
from keiki.nn.pooling import ImageFeatures


def pair(name: str, n_classes: int = 7) -> tuple[Any, ImageFeatures]:
    """A network with random weights and a classifier, and its own features without it."""
    ensure()
    import timm

    torch.manual_seed(0)
    whole = timm.create_model(name, pretrained=False, num_classes=n_classes).eval()
    bare = timm.create_model(name, pretrained=False, num_classes=0).eval()
    bare.load_state_dict(whole.state_dict(), strict=False)
    return whole, ImageFeatures(bare).eval()


def test_lite0_has_the_classifier_of_its_checkpoint() -> None:
    found = load("efficientnet-lite0").source_head()
    assert found is not None
    weights = load_file(lite0_weights())
    np.testing.assert_array_equal(found.head.weight, weights["classifier.weight"])
    np.testing.assert_array_equal(found.head.bias, weights["classifier.bias"])
    assert len(found.classes) == len(set(found.classes)) == 1000
    assert found.classes[0] == "tench, Tinca tinca"


def test_random_weights_and_encoders_of_sentences_have_none() -> None:
    assert load("efficientnet-lite0").randomised(0).source_head() is None
    assert load("minilm-l6").source_head() is None


@pytest.mark.parametrize("name", ["resnet10t", "convnext_atto", "test_vit"])
def test_a_classifier_is_taken_where_it_gives_the_networks_own_answers(name: str) -> None:
    whole, features = pair(name)
    size = whole.default_cfg["input_size"][-1]
    head = linear_classifier(whole, features, size)
    assert head is not None
    picture = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        wanted = whole(picture).numpy()
        answers = head.logits(features(picture).double().numpy())
    np.testing.assert_allclose(answers, wanted, atol=1e-5 * max(1.0, float(np.abs(wanted).max())))


def test_two_classifiers_or_other_features_are_none() -> None:
    whole, features = pair("deit_tiny_distilled_patch16_224")
    assert linear_classifier(whole, features, 224) is None
    other, _ = pair("resnet10t")
    with torch.no_grad():
        other.fc.weight.normal_()
    assert linear_classifier(other, pair("resnet10t")[1], 64) is not None
    _, unlike = pair("resnet18")
    assert linear_classifier(other, unlike, 64) is None


def test_names_that_stand_twice_have_their_synset() -> None:
    names = class_names(1000)
    assert names[134] == "crane (n02012849)"
    assert names[517] == "crane (n03126707)"
    assert class_names(3) == ("class-0", "class-1", "class-2")
