"""What a bundle decides: accept, check or unfamiliar, for the accuracy that was asked for or another, and sets."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.handover import Witness
from keiki.artifacts.writer import write_bundle
from keiki.core.errors import OptionError, ParityError, RequestError
from keiki.evaluation.unfamiliar import Yardstick
from keiki.nn.gaussians import Gaussians
from keiki.testing.bundles import TEXTS, image_handover, text_handover


def grey(folder: Path) -> Path:
    """A picture of none of the three colours."""
    Image.new("RGB", (20, 20), (250, 250, 250)).save(folder / "grey.png")
    return folder / "grey.png"


def test_decisions_follow_the_stored_threshold(text_bundle: Path, tmp_path: Path) -> None:
    found = Bundle.open(text_bundle).predict(TEXTS)
    for answer, shares in zip(found, found.probabilities, strict=True):
        assert answer.decision == ("accept" if shares.max() >= 0.7 else "check")
    never = replace(text_handover(), thresholds={"accept": None, "asked_accuracy": 0.99})
    write_bundle(tmp_path / "never", never)
    assert {answer.decision for answer in Bundle.open(tmp_path / "never").predict(TEXTS)} == {"check"}


def test_what_is_unlike_all_classes_is_unfamiliar_however_sure_the_answer(
    image_bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    bundle = Bundle.open(image_bundle)
    known = sorted(pictures.rglob("*.png"))
    found = bundle.predict([*known, grey(tmp_path), tmp_path / "gone.png"], accuracy=0.5)
    assert [answer.decision for answer in found] == [*(["accept"] * 6), "unfamiliar", None]
    assert found.unfamiliar is not None
    assert found.unfamiliar.tolist() == [False] * 6 + [True, False]


def test_the_distance_in_the_graph_is_that_of_the_yardstick(image_bundle: Path, pictures: Path, tmp_path: Path) -> None:
    stick, bundle = image_handover(pictures).yardstick, Bundle.open(image_bundle)
    raws = [*sorted(pictures.rglob("*.png")), grey(tmp_path)]
    found = bundle.run(raws, ("unfamiliarity",))[0]["unfamiliarity"]
    assert stick is not None
    np.testing.assert_allclose(found, stick.distances(bundle.features(raws)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("unit", [True, False])
def test_a_wide_yardstick_keeps_its_numbers_in_the_graph(unit: bool, tmp_path: Path) -> None:
    """More features than items, axes cut off, no graph of a backbone."""
    handover = text_handover()
    features = handover.transform.collate([handover.transform.prepare(text) for text in TEXTS])["features"]
    rows = np.tile(np.asarray(features, dtype=np.float64), (8, 1))
    rows += np.random.default_rng(0).normal(scale=0.1, size=rows.shape)
    stick = Yardstick(Gaussians.fit(rows, np.tile([0, 0, 1, 1, 0], 8), unit=unit), 1e6, 0.02, 40)
    distances = stick.distances(np.asarray(features))
    proven = replace(handover, yardstick=stick, witness=replace(handover.witness, distances=distances))
    write_bundle(tmp_path / "b", proven)
    found = Bundle.open(tmp_path / "b").run(TEXTS, ("unfamiliarity",))[0]["unfamiliarity"]
    np.testing.assert_allclose(found, distances, rtol=1e-3)


def test_a_bundle_that_measures_differently_leaves_nothing_behind(tmp_path: Path, pictures: Path) -> None:
    handover = image_handover(pictures)
    witness = handover.witness
    assert witness.distances is not None
    wrong = Witness(witness.raws, witness.logits, np.asarray(witness.distances) * 1.1)
    with pytest.raises(ParityError, match="unfamiliar"):
        write_bundle(tmp_path / "b", replace(handover, witness=wrong))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wanted", [0.5, 0.8, 0.95, 0.99])
def test_another_wanted_accuracy_is_answered_as_if_the_fit_had_been_asked(image_bundle: Path, wanted: float) -> None:
    bundle = Bundle.open(image_bundle)
    grid = bundle.thresholds.grid
    passing = [point.threshold for point in grid if point.accuracy >= wanted]
    assert bundle.thresholds.accept_from(wanted) == (min(passing) if passing else None)


@pytest.mark.parametrize("wanted", [0.0, 0.4, 1.0, 95.0])
def test_an_accuracy_that_is_none_is_refused(text_bundle: Path, wanted: float) -> None:
    with pytest.raises(OptionError, match="0.5 to 1"):
        Bundle.open(text_bundle).predict(TEXTS, accuracy=wanted)


def test_sets_hold_the_answer_and_what_is_likely_enough(image_bundle: Path, pictures: Path) -> None:
    bundle = Bundle.open(image_bundle)
    raws = sorted(pictures.rglob("*.png"))
    assert all(answer.set is None for answer in bundle.predict(raws))
    least = bundle.thresholds.set_from(0.9)
    assert least is not None
    found = bundle.predict(raws, set_level=0.9)
    for answer, shares in zip(found, found.probabilities, strict=True):
        expected = {name for name, share in zip(found.classes, shares, strict=True) if share >= least - 1e-6}
        assert answer.set is not None
        assert set(answer.set) == expected | {answer.label}
        assert answer.set[0] == answer.label
    every = bundle.predict(raws, set_level=0.9999)
    assert all(answer.set is not None and len(answer.set) == 3 for answer in every)


def test_a_bundle_without_out_of_fold_answers_says_so(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", replace(text_handover(), out_of_fold=None))
    bundle = Bundle.open(tmp_path / "b")
    assert len(bundle.predict(TEXTS)) == 5
    with pytest.raises(RequestError, match="no out-of-fold answers"):
        bundle.predict(TEXTS, accuracy=0.9)
    with pytest.raises(RequestError, match="no out-of-fold answers"):
        bundle.predict(TEXTS, set_level=0.9)


def test_thresholds_stand_in_bundle_json_with_their_meaning(image_bundle: Path, text_bundle: Path) -> None:
    for folder in (image_bundle, text_bundle):
        found = json.loads((folder / "bundle.json").read_text())["thresholds"]
        assert set(found["meaning"]) == set(found) - {"meaning", "why_no_unfamiliar"}
        assert (found["unfamiliar"] is None) == bool(found["why_no_unfamiliar"])
