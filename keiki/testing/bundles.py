"""Small handovers without any training: what a bundle can be made from in milliseconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from keiki.artifacts.handover import Handover, OutOfFold, Witness
from keiki.backbones.vector import AsIs
from keiki.data.task import Target
from keiki.data.transforms.image import ImageTransform
from keiki.data.transforms.ngrams import NgramTransform
from keiki.evaluation.conformal import set_scores
from keiki.evaluation.drift import reference
from keiki.evaluation.thresholds import accept_grid
from keiki.evaluation.unfamiliar import cross_fitted
from keiki.nn.linear import LinearHead
from keiki.nn.softmax import FloatArray, softmax
from keiki.nn.standardise import Standardiser

TEXTS = ("a red apple", "green pears and apples", "the phone is broken", "a cracked phone screen", "ripe pear")
COLOURS = {"blue": (20, 30, 230), "green": (10, 200, 40), "red": (220, 40, 30)}
_SIDE = 16
_EACH = 40  # made-up training items of a colour


def text_handover(name: str = "fruit or phone") -> Handover:
    """Word and character counts, no graph, two classes with a fixed random head."""
    transform = NgramTransform.fit(TEXTS)
    features = transform.collate([transform.prepare(text) for text in TEXTS])["features"]
    random = np.random.default_rng(0)
    head = LinearHead(random.normal(size=(2, transform.width)), random.normal(size=2))
    logits = head.logits(np.asarray(features, dtype=np.float64))
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
        witness=Witness(TEXTS, logits),
        no_yardstick="counts of words are too many to measure a distance between",
        out_of_fold=out_of_fold(logits / 1.5, np.array([0, 0, 1, 1, 0])),
        seen=("ab" * 32,),
    )


def image_handover(folder: Path) -> Handover:
    """The mean colour as the backbone (a graph made here), three classes: the nearest of three colours.

    Unfamiliar is what lies far from all three; the training items for that are made up around the painted ones.
    """
    pictures = paint(folder)
    transform = ImageTransform(mode="squash", size=_SIDE)
    images = np.asarray(transform.collate([transform.prepare(path) for path in pictures])["image"], dtype=np.float64)
    features = images.mean(axis=(2, 3))  # (B, 3)
    standardiser = Standardiser.fit(features)
    centres = (np.array(list(COLOURS.values())) / 255 - 0.5) / 0.5
    head = LinearHead(4 * centres * standardiser.scale, 4 * (centres @ standardiser.mean - (centres**2).sum(1) / 2))
    noise = np.random.default_rng(1).normal(scale=0.05, size=(_EACH, *features.shape))
    seen, labels = (features + noise).reshape(-1, 3), np.tile(np.repeat(np.arange(3), len(features) // 3), _EACH)
    stick = cross_fitted(seen, labels, np.arange(len(seen)) // len(features) % 5, unit=False)
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
        witness=Witness(pictures, head.logits(standardiser.apply(features)), stick.distances(features)),
        yardstick=stick,
        out_of_fold=out_of_fold(head.logits(standardiser.apply(seen)) / 2.0, labels),
        weights={"nothing.weight": np.arange(6, dtype=np.float32).reshape(2, 3)},
        batch_size=4,
    )


def vector_handover() -> Handover:
    """Rows of three numbers of unlike sizes, no graph, two classes told apart by the first; distances measured."""
    random = np.random.default_rng(0)
    rows = (random.normal(size=(_EACH, 3)) * [1, 1e3, 1] + [0, 1e4, 2020]).astype(np.float32)
    backbone = AsIs().fitted(list(rows))
    features, labels = backbone.matrix(list(rows)), (rows[:, 0] > 0).astype(np.int64)
    head = LinearHead(np.array([[-3.0, 0.0, 0.0], [3.0, 0.0, 0.0]]), np.zeros(2))
    stick = cross_fitted(features, labels, np.arange(_EACH) % 5, unit=False)
    return Handover(
        name="rows",
        target=Target(("no", "yes")),
        transform=backbone.transform,
        card=backbone.card.to_json(),
        method="linear-probe",
        options={},
        graph=None,
        standardiser=None,
        head=head,
        temperature=1.0,
        thresholds={"accept": 0.8, "asked_accuracy": 0.95},
        witness=Witness(list(rows[:12]), head.logits(features[:12]), stick.distances(features[:12])),
        yardstick=stick,
        out_of_fold=out_of_fold(head.logits(features), labels),
    )


def out_of_fold(logits: FloatArray, labels: npt.NDArray[np.int64]) -> OutOfFold:
    """What calibrated logits (N, C) for labels (N,) are kept for."""
    shares = softmax(logits)
    return OutOfFold(accept_grid(shares, labels), set_scores(shares, labels), reference(shares))


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
