"""Why: against slow versions that cover and leave out by hand, for every kind of model that may ship."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from keiki.backbones.base import load
from keiki.backbones.cache import open_cache
from keiki.backbones.features import FeatureBank
from keiki.backbones.passes import Engines
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.task import Items, Target
from keiki.engines.plan import make_plan
from keiki.methods.base import Model
from keiki.nn.linear import LinearHead
from keiki.pipeline.explaining import CELLS, GREY, MOST_PIECES, explain, occluded, pieces, spread
from keiki.selection.workshop import Workshop

Build = Callable[[str, int], tuple[Workshop, Model, Engines]]


@pytest.fixture
def build() -> Build:
    """A shop, a model of three classes on a backbone with a head of random numbers, and its engines."""

    def make(name: str, width: int) -> tuple[Workshop, Model, Engines]:
        backbone = load(name)
        cache, plan, record = open_cache(), make_plan(threads=1), Record()
        bank = FeatureBank(cache, plan, record)
        shop = Workshop(backbone, cache, bank, plan, Randomness(0), record)
        rng = np.random.default_rng(0)
        head = LinearHead(rng.normal(size=(3, width)), rng.normal(size=3))
        model = Model(backbone, Target(("a", "b", "c")), bank, next(iter(backbone.transforms())), head)
        return shop, model, Engines(plan, cache)

    return make


def picture(folder: Path, size: tuple[int, int] = (40, 24)) -> Path:
    pixels = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path = folder / "one.png"
    Image.fromarray(pixels).save(path)
    return path


def logits_of(shop: Workshop, model: Model, raw: Path | str) -> np.ndarray:
    """By the bank, as in a fit."""
    items = Items("image" if isinstance(raw, Path) else "text", ("x",), (raw,), (f"{hash(raw)}",))
    shop.bank.register(items)
    return model.logits(items)[0]


@pytest.mark.parametrize(("name", "width"), [("tiny:vision", 16), ("histogram", 1980)])
def test_heat_is_the_mean_drop_of_the_patches_over_a_cell(name: str, width: int, build: Build, tmp_path: Path) -> None:
    shop, model, engines = build(name, width)
    path = picture(tmp_path)
    why = explain(shop, model, path, 1, engines)
    assert why is not None
    assert why.heat is not None
    assert (why.heat.rows, why.heat.columns, why.heat.n) == (CELLS, CELLS, 49)
    assert (why.heat.width, why.heat.height) == (40, 24)
    transform = model.backbone.transforms()[model.transform_name]
    image = Image.open(path).convert("RGB")

    def score(pixels: np.ndarray) -> np.ndarray:
        prepared = transform.from_picture(Image.fromarray(pixels))  # type: ignore[attr-defined]
        inputs = transform.collate([prepared, prepared])
        out = inputs["features"] if name == "histogram" else engines.of(model.backbone, transform).run(inputs)
        assert model.head is not None
        return model.head.logits(np.asarray(out))[0]

    whole = score(np.asarray(image))
    sums, counts, flips = np.zeros((CELLS, CELLS)), np.zeros((CELLS, CELLS)), 0
    for top in range(CELLS - 1):
        for left in range(CELLS - 1):
            pixels = np.asarray(image).copy()
            pixels[3 * top : 3 * top + 6, 5 * left : 5 * left + 10] = GREY
            logits = score(pixels)
            sums[top : top + 2, left : left + 2] += whole[1] - logits[1]
            counts[top : top + 2, left : left + 2] += 1
            flips += int(logits.argmax() != 1)
    assert np.array(why.heat.drops).reshape(CELLS, CELLS) == pytest.approx(sums / counts, abs=2e-3)
    assert why.heat.flips == flips


@pytest.mark.parametrize("size", [(40, 24), (48, 96)])
@pytest.mark.parametrize(("name", "width"), [("tiny:vision", 16), ("histogram", 1980)])
def test_heat_is_that_of_captum(name: str, width: int, size: tuple[int, int], build: Build, tmp_path: Path) -> None:
    """An independent witness: the same picture, window, steps and grey in `captum.attr.Occlusion`, pixel by pixel."""
    shop, model, engines = build(name, width)
    path = picture(tmp_path, size)
    pixels = torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).permute(2, 0, 1)[None].float()
    transform = model.backbone.transforms()[model.transform_name]

    def logits(batch: torch.Tensor) -> torch.Tensor:
        images = [Image.fromarray(each) for each in batch.permute(0, 2, 3, 1).to(torch.uint8).numpy()]
        inputs = transform.collate([transform.from_picture(each) for each in images])  # type: ignore[attr-defined]
        out = inputs["features"] if name == "histogram" else engines.of(model.backbone, transform).run(inputs)
        assert model.head is not None
        return torch.from_numpy(model.head.logits(np.asarray(out)))

    across, down = size[0] // CELLS, size[1] // CELLS
    for said in range(3):
        why = explain(shop, model, path, said, engines)
        assert why is not None
        assert why.heat is not None
        witness = Occlusion(logits).attribute(
            pixels, (3, 2 * down, 2 * across), strides=(3, down, across), baselines=GREY[0], target=said
        )
        ours = np.array(why.heat.drops).reshape(CELLS, CELLS).repeat(down, axis=0).repeat(across, axis=1)
        assert np.ptp(ours) > 0.1
        for channel in witness[0].numpy():
            assert channel == pytest.approx(ours, abs=1e-4)  # ours are rounded to four digits


@pytest.mark.parametrize("name", ["tiny:text", "tfidf"])
def test_the_drop_of_a_word_is_that_without_it(name: str, build: Build) -> None:
    text = "the sky is\nvery fire rose"
    if name == "tfidf":
        fitted = load(name).fitted([text, "the sea is a leaf", "sky fire grass"])
        shop, model, engines = build("tiny:text", fitted.card.width)
        model.backbone, model.transform_name = fitted, "ngrams"
    else:
        shop, model, engines = build(name, 16)
    why = explain(shop, model, text, 2, engines)
    assert why is not None
    assert "".join(word.text for word in why.words) == text
    assert [word.text for word in why.words] == ["the ", "sky ", "is\n", "very ", "fire ", "rose"]
    score = lambda each: (  # noqa: E731
        model.head.logits(model.backbone.matrix([each]))[0]  # type: ignore[union-attr]
        if name == "tfidf"
        else logits_of(shop, model, each)
    )
    for word in why.words:
        rest = score(text.replace(word.text.strip(), "", 1))
        assert word.drop == pytest.approx(score(text)[2] - rest[2], abs=2e-3)
        assert word.flips == bool(rest.argmax() != 2)


def test_a_tuned_network_is_asked_itself(build: Build, tmp_path: Path) -> None:
    from keiki.nn.network import BodyAndHead, put_head

    shop, model, engines = build("tiny:vision", 16)
    path = picture(tmp_path)
    frozen = explain(shop, model, path, 0, engines)
    network = BodyAndHead(model.backbone.module(), 16, 3)
    assert model.head is not None
    put_head(network, model.head)
    model.network = network
    tuned = explain(shop, model, path, 0, engines)  # the same weights, by torch
    assert frozen is not None
    assert tuned is not None
    assert frozen.heat is not None
    assert tuned.heat is not None
    assert tuned.heat.drops == pytest.approx(frozen.heat.drops, abs=1e-3)


def test_what_cannot_be_asked_has_no_why(build: Build, tmp_path: Path) -> None:
    shop, model, engines = build("tiny:vision", 16)
    assert explain(shop, model, tmp_path / "gone.png", 0, engines) is None
    assert explain(shop, model, np.zeros(4, dtype=np.float32), 0, engines) is None
    shop, model, engines = build("tiny:text", 16)
    assert explain(shop, model, "word", 0, engines) is None


def test_patches_cover_the_whole_picture_and_no_more() -> None:
    image = Image.new("RGB", (64, 32), (255, 0, 0))
    covered = np.zeros((32, 64), dtype=int)
    for variant in occluded(image):
        grey = np.all(np.asarray(variant) == GREY, axis=2)
        assert grey.sum() == 64 * 32 // 16
        covered += grey
    assert covered.min() == 1
    assert covered.max() == 4
    assert len(list(occluded(Image.new("RGB", (3, 2))))) == 49  # smaller than its cells


def test_equal_drops_spread_evenly() -> None:
    assert np.all(spread(np.ones((CELLS - 1, CELLS - 1))) == 1.0)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab é何ก\n\t.ß"), max_size=400))
def test_pieces_cover_a_text_in_order_and_are_few(text: str) -> None:
    found = pieces(text)
    assert len(found) <= MOST_PIECES
    assert bool(found) == bool(text.strip())
    for piece, following in zip(found, found[1:], strict=False):
        assert piece.start < piece.end <= piece.until == following.start
    if found:
        assert found[-1].until == len(text)
        assert not text[: found[0].start].strip()
