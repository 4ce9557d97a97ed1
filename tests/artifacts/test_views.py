"""Several views of a picture: the mean of what the bundle answers for each, under the thresholds of one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.writer import write_bundle
from keiki.core.errors import OptionError, RequestError
from keiki.data.augment.views import Views
from keiki.data.task import Target
from keiki.testing.bundles import image_handover, vector_handover


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Pictures whose views differ: a colour on each side."""
    rng, paths = np.random.default_rng(0), []
    for i in range(11):
        pixels = np.repeat(rng.integers(0, 256, (4, 2, 3)), [3 + i, 20 - i], axis=1).repeat(6, axis=0)
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(pixels.astype(np.uint8)).save(paths[-1])
    return paths


def test_probabilities_are_the_mean_over_the_views(image_bundle: Path, photos: list[Path], tmp_path: Path) -> None:
    """The witness: each view cut out with Pillow, written to a file and asked about alone."""
    bundle = Bundle.open(image_bundle)
    expected = []
    for photo in photos:
        picture = Image.open(photo)
        wide, high = round(picture.width * 7 / 8), round(picture.height * 7 / 8)
        left, top = round((picture.width - wide) / 2), round((picture.height - high) / 2)
        views = [picture, picture.crop((left, top, left + wide, top + high))]
        answers = []
        for view in [each for one in views for each in (one, one.transpose(Image.Transpose.FLIP_LEFT_RIGHT))]:
            view.save(tmp_path / "view.png")
            answers.append(bundle.predict([tmp_path / "view.png"]).probabilities[0])
        expected.append(np.mean(answers, axis=0))
    found = bundle.predict(photos, augment=4)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    assert np.abs(found.probabilities - bundle.predict(photos).probabilities).max() > 1e-3


def test_one_view_is_the_plain_answer(image_bundle: Path, photos: list[Path]) -> None:
    bundle = Bundle.open(image_bundle)
    one, plain = bundle.predict(photos, augment=1), bundle.predict(photos)
    np.testing.assert_array_equal(one.probabilities, plain.probabilities)
    assert one.unfamiliarity is not None
    np.testing.assert_array_equal(one.unfamiliarity, plain.unfamiliarity)


def test_an_item_alone_gets_the_answer_that_it_gets_in_a_batch(image_bundle: Path, photos: list[Path]) -> None:
    bundle = Bundle.open(image_bundle)
    together = bundle.predict(photos, augment=12).probabilities
    alone = np.concatenate([bundle.predict([photo], augment=12).probabilities for photo in photos])
    np.testing.assert_allclose(alone, together, rtol=1e-5)
    np.testing.assert_array_equal(bundle.predict(photos, augment=12).probabilities, together)


def test_thresholds_and_unfamiliarity_are_those_of_the_picture_itself(image_bundle: Path, photos: list[Path]) -> None:
    bundle = Bundle.open(image_bundle)
    found, plain = bundle.predict(photos, augment=6), bundle.predict(photos)
    assert found.unfamiliarity is not None
    assert plain.unfamiliarity is not None
    np.testing.assert_allclose(found.unfamiliarity, plain.unfamiliarity, rtol=1e-5)
    assert (found.accept_from, found.unfamiliar_from) == (plain.accept_from, plain.unfamiliar_from)


def test_pictures_in_memory_have_the_same_views(image_bundle: Path, photos: list[Path]) -> None:
    bundle = Bundle.open(image_bundle)
    files = bundle.predict(photos, augment=5).probabilities
    decoded = bundle.predict([Image.open(photo) for photo in photos], augment=5).probabilities
    np.testing.assert_array_equal(files, decoded)


def test_what_cannot_be_read_is_an_error_of_its_row(image_bundle: Path, photos: list[Path]) -> None:
    found = Bundle.open(image_bundle).predict([photos[0], Path("gone.png"), photos[1]], augment=3)
    assert dict(found.errors) == {1: "no such file"}
    assert np.isnan(found.probabilities[1]).all()
    assert np.isfinite(found.probabilities[[0, 2]]).all()


def test_texts_and_rows_have_no_views(text_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="this model takes texts"):
        Bundle.open(text_bundle).predict(["a"], augment=2)
    write_bundle(tmp_path / "rows", vector_handover())
    with pytest.raises(RequestError, match="this model takes rows of numbers"):
        Bundle.open(tmp_path / "rows").predict([[1.0, 2.0, 3.0]], augment=2)


@pytest.mark.parametrize("n", [0, -1, 13])
def test_more_views_than_there_are_are_refused(n: int, image_bundle: Path, photos: list[Path]) -> None:
    with pytest.raises(OptionError, match="1 to 12 views"):
        Bundle.open(image_bundle).predict(photos, augment=n)


@pytest.mark.parametrize(
    ("classes", "kept", "allowed"),
    [
        (("blue", "green", "red"), None, True),
        (("blue", "left", "right"), None, False),
        (("blue", "green", "red"), False, False),
        (("blue", "left", "right"), True, True),
    ],
)
def test_mirror_images_are_asked_about_where_the_fit_allows(
    classes: tuple[str, ...], kept: bool | None, allowed: bool, pictures: Path, photos: list[Path], tmp_path: Path
) -> None:
    write_bundle(tmp_path / "b", replace(image_handover(pictures), target=Target(classes), flips=kept))
    bundle = Bundle.open(tmp_path / "b")
    assert json.loads((tmp_path / "b" / "bundle.json").read_text())["flips"] is kept
    assert bundle.flips is allowed
    found = bundle.predict(photos, augment=2).probabilities
    second = Views(bundle.transform, 2, allowed)
    np.testing.assert_allclose(
        found,
        np.mean([bundle.run_prepared(list(second.prepare(p)))["probabilities"] for p in photos], axis=1),
        atol=1e-6,
    )
    if not allowed:
        with pytest.raises(OptionError, match="1 to 6 views"):
            bundle.predict(photos, augment=7)


def test_a_bundle_of_before_goes_by_the_names_of_its_classes(image_bundle: Path) -> None:
    facts = {name: value for name, value in Bundle.open(image_bundle).facts.items() if name != "flips"}
    assert Bundle(image_bundle, facts).flips
    sided = {**facts, "target": {**facts["target"], "classes": ["left", "right", "blue"]}}
    assert not Bundle(image_bundle, sided).flips
