"""The classifier that a timm network was pretrained with, where it is linear in the features that keiki uses."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from keiki.nn.linear import LinearHead

if TYPE_CHECKING:
    from torch import nn

SAME = 1e-4  # share of the largest logit that the network's own answer may lie away


def linear_classifier(whole: nn.Module, features: nn.Module, size: int) -> LinearHead | None:
    """The classifier of the network `whole` as a head on what `features` gives; None where it is not one.

    Some networks have two classifiers, or layers between the pooled features and the classifier. So it is taken only
    where features and head together answer like the whole network, on a picture (1, 3, size, size) of noise.
    """
    import torch
    from torch import nn

    found: Any = whole
    layer = found.get_classifier()
    if not isinstance(layer, nn.Linear):
        return None
    weight = layer.weight.detach().double().numpy()
    head = LinearHead(weight, np.zeros(len(weight)) if layer.bias is None else layer.bias.detach().double().numpy())
    picture = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted, vector = whole(picture).double().numpy(), features(picture).double().numpy()
    if vector.shape[1] != weight.shape[1]:
        return None
    return head if float(np.abs(head.logits(vector) - wanted).max()) <= SAME * float(np.abs(wanted).max()) else None


def class_names(n_classes: int) -> tuple[str, ...]:
    """Names of the classes of ImageNet's usual subsets, known by their number, else class-0, class-1, and so on.

    Names are WordNet's, with the synset behind those that stand twice: 'crane (n02012849)', 'crane (n03126707)'.
    """
    from keiki.engines.torchvision_guard import ensure

    ensure()
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset({"num_classes": n_classes})
    if subset is None:
        return tuple(f"class-{i}" for i in range(n_classes))
    info = ImageNetInfo(subset)
    names = [info.index_to_description(i) for i in range(n_classes)]
    often = Counter(names)
    return tuple(f"{name} ({info.index_to_label_name(i)})" if often[name] > 1 else name for i, name in enumerate(names))
