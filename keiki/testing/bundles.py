"""Small handovers without any training: what a bundle can be made from in milliseconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keiki.artifacts.handover import Handover, Witness
from keiki.data.task import Target
from keiki.data.transforms.image import ImageTransform
from keiki.data.transforms.ngrams import NgramTransform
from keiki.nn.linear import LinearHead
from keiki.nn.standardise import Standardiser

TEXTS = ("a red apple", "green pears and apples", "the phone is broken", "a cracked phone screen", "ripe pear")
COLOURS = {"blue": (20, 30, 230), "green": (10, 200, 40), "red": (220, 40, 30)}
_SIDE = 16


def text_handover(name: str = "fruit or phone") -> Handover:
    """Word and character counts, no graph, two classes with a fixed random head."""
    transform = NgramTransform.fit(TEXTS)
    features = transform.collate([transform.prepare(text) for text in TEXTS])["features"]
    random = np.random.default_rng(0)
    head = LinearHead(random.normal(size=(2, transform.width)), random.normal(size=2))
    return Handover(
        name=name,
        target=Target(("fruit", "phone")),
        transform=transform,
        card=_card("tfidf", "text"),
        method="tfidf-logistic",
        options={},
        graph=None,
        standardiser=None,
        head=head,
        temperature=1.5,
        thresholds={"accept": 0.7, "asked_accuracy": 0.9},
        witness=Witness(TEXTS, head.logits(np.asarray(features, dtype=np.float64))),
        seen=("ab" * 32,),
    )


def image_handover(folder: Path) -> Handover:
    """The mean colour as the backbone (a graph made here), three classes: the nearest of three colours."""
    pictures = paint(folder)
    transform = ImageTransform(mode="squash", size=_SIDE)
    images = np.asarray(transform.collate([transform.prepare(path) for path in pictures])["image"], dtype=np.float64)
    features = images.mean(axis=(2, 3))  # (B, 3)
    standardiser = Standardiser.fit(features)
    centres = (np.array(list(COLOURS.values())) / 255 - 0.5) / 0.5
    head = LinearHead(4 * centres * standardiser.scale, 4 * (centres @ standardiser.mean - (centres**2).sum(1) / 2))
    return Handover(
        name="colours",
        target=Target(tuple(COLOURS)),
        transform=transform,
        card=_card("mean-colour", "image"),
        method="linear-probe",
        options={"penalty": 0.1},
        graph=mean_colour(folder / "mean-colour.onnx"),
        standardiser=standardiser,
        head=head,
        temperature=2.0,
        thresholds={"accept": 0.6, "asked_accuracy": 0.95},
        witness=Witness(pictures, head.logits(standardiser.apply(features))),
        weights={"nothing.weight": np.arange(6, dtype=np.float32).reshape(2, 3)},
        batch_size=4,
    )


def paint(folder: Path, copies: int = 2) -> list[Path]:
    """Pictures of each colour with some noise: folder/blue/0.png and so on."""
    from PIL import Image

    random = np.random.default_rng(0)
    paths = []
    for name, colour in COLOURS.items():
        for i in range(copies):
            path = folder / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = random.integers(-20, 21, (24, 30 + 6 * i, 3))
            Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path)
            paths.append(path)
    return paths


def mean_colour(path: Path) -> Path:
    """A graph "image" (B, 3, H, W) -> features (B, 3): the mean of each channel."""
    import onnx
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, _SIDE, _SIDE])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 3])
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"], doc_string="written at /home/somebody"),
        helper.make_node("Flatten", ["pooled"], ["features"], axis=1),
    ]
    graph = helper.make_graph(nodes, "backbone", [image], [features])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))
    return path


def _card(name: str, modality: str) -> dict[str, object]:
    return {
        "name": name,
        "family": "tiny",
        "modality": modality,
        "licence": "Apache-2.0",
        "origin": "keiki",
        "digest": "0" * 64,
        "language": "",
    }
