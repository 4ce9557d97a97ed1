"""A bundle answers as the model did, and is opened only as it was written."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from keiki.artifacts.bundle import Bundle, load
from keiki.artifacts.handover import Witness
from keiki.artifacts.manifest import _NO_DIGEST, SCHEMA
from keiki.artifacts.writer import write_bundle
from keiki.core.errors import BundleError, ParityError, RequestError
from keiki.core.files import sha256_bytes
from keiki.testing.bundles import TEXTS, image_handover, text_handover


def copy(bundle: Path, to: Path) -> Path:
    return Path(shutil.copytree(bundle, to / "copy"))


def rewrite(bundle: Path, **changes: object) -> None:
    """Change bundle.json as somebody would who knows how it vouches for itself."""
    content = json.loads((bundle / "bundle.json").read_text()) | changes | {"digest": _NO_DIGEST}
    text = json.dumps(content)
    (bundle / "bundle.json").write_text(text.replace(_NO_DIGEST, sha256_bytes(text.encode()), 1))


def test_probabilities_are_the_tempered_softmax_of_the_heads_logits(text_bundle: Path) -> None:
    handover = text_handover()
    expected = softmax(np.asarray(handover.witness.logits) / handover.temperature, axis=1)
    found = Bundle.open(text_bundle).predict(TEXTS).probabilities
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_standardiser_and_graph_are_part_of_the_bundle(image_bundle: Path, pictures: Path) -> None:
    handover = image_handover(pictures)
    found = Bundle.open(image_bundle)
    np.testing.assert_allclose(found.logits(handover.witness.raws), handover.witness.logits, atol=1e-5)
    assert found.predict(handover.witness.raws).labels == ["blue", "blue", "green", "green", "red", "red"]


def test_parity_certificate_says_what_was_compared(tmp_path: Path) -> None:
    certificate = write_bundle(tmp_path / "b", text_handover())
    assert certificate.batch_sizes == (1, 3, 5)
    assert certificate.n == 5
    assert certificate.max_abs_difference < 1e-5


@pytest.mark.parametrize("spoilt", [1.001, np.nan])
def test_a_bundle_that_answers_differently_leaves_nothing_behind(tmp_path: Path, spoilt: float) -> None:
    handover = text_handover()
    wrong = replace(handover, witness=Witness(TEXTS, np.asarray(handover.witness.logits) * spoilt))
    with pytest.raises(ParityError, match="differs from the model"):
        write_bundle(tmp_path / "b", wrong)
    assert list(tmp_path.iterdir()) == []


def test_an_older_bundle_survives_a_failed_one(tmp_path: Path) -> None:
    handover = text_handover()
    write_bundle(tmp_path / "b", handover)
    with pytest.raises(ParityError):
        write_bundle(tmp_path / "b", replace(handover, witness=Witness(TEXTS, np.zeros((5, 2)))))
    assert Bundle.open(tmp_path / "b").name == handover.name


def test_two_builds_are_equal_byte_for_byte(tmp_path: Path, pictures: Path) -> None:
    for handover in (text_handover(), image_handover(pictures)):
        for name in "ab":
            write_bundle(tmp_path / name, handover)
        first, second = ({f.name: f.read_bytes() for f in (tmp_path / name).iterdir()} for name in "ab")
        assert first == second


def test_nothing_of_the_machine_is_left_in_the_graph(image_bundle: Path) -> None:
    assert b"somebody" not in (image_bundle / "model.onnx").read_bytes()


def test_a_foreign_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RequestError, match="is no bundle"):
        write_bundle(tmp_path, text_handover())
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_safetensors_hold_what_was_fitted(image_bundle: Path, pictures: Path) -> None:
    from safetensors.numpy import load_file

    handover, tensors = image_handover(pictures), load_file(image_bundle / "model.safetensors")
    np.testing.assert_array_equal(tensors["head.weight"], handover.head.weight.astype(np.float32))
    np.testing.assert_array_equal(tensors["backbone.nothing.weight"], handover.weights["nothing.weight"])
    assert tensors["temperature"] == np.float32(2.0)
    assert {"head.bias", "standardiser.mean", "standardiser.scale"} <= tensors.keys()


def test_no_pickle_and_nothing_but_the_named_files(image_bundle: Path) -> None:
    names = {file.name for file in image_bundle.iterdir()}
    assert names == {"model.onnx", "model.safetensors", "seen.json", "bundle.json", "README.md"}


# --- damage ---


@pytest.mark.parametrize("position", [0, 0.5, -1])
def test_a_flipped_byte_in_any_file_is_refused(text_bundle: Path, tmp_path: Path, position: float) -> None:
    for file in sorted(text_bundle.iterdir()):
        damaged = copy(text_bundle, tmp_path)
        data = bytearray(file.read_bytes())
        at = int(position * len(data)) if position != -1 else -1
        data[at] ^= 0x01
        (damaged / file.name).write_bytes(data)
        with pytest.raises(BundleError) as caught:
            Bundle.open(damaged)
        assert caught.value.hint, file.name
        shutil.rmtree(damaged)


def test_every_byte_of_bundle_json_counts(text_bundle: Path, tmp_path: Path) -> None:
    damaged = copy(text_bundle, tmp_path)
    good = (text_bundle / "bundle.json").read_bytes()
    for at in range(0, len(good), 11):
        (damaged / "bundle.json").write_bytes(good[:at] + bytes([good[at] ^ 0x02]) + good[at + 1 :])
        with pytest.raises(BundleError):
            Bundle.open(damaged)


def test_a_missing_file_is_refused_by_name(text_bundle: Path, tmp_path: Path) -> None:
    for file in sorted(text_bundle.iterdir()):
        damaged = copy(text_bundle, tmp_path)
        (damaged / file.name).unlink()
        with pytest.raises(BundleError, match=file.name.replace(".", r"\.")):
            Bundle.open(damaged)
        shutil.rmtree(damaged)


def test_a_foreign_file_is_refused_by_name(text_bundle: Path, tmp_path: Path) -> None:
    damaged = copy(text_bundle, tmp_path)
    (damaged / "extra.bin").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"extra\.bin"):
        Bundle.open(damaged)


def test_a_foreign_schema_is_refused_with_a_next_step(text_bundle: Path, tmp_path: Path) -> None:
    damaged = copy(text_bundle, tmp_path)
    for schema in (SCHEMA - 1, SCHEMA + 1):
        rewrite(damaged, schema=schema)
        with pytest.raises(BundleError, match=f"schema {schema}.*version of keiki that wrote it, or fit again"):
            Bundle.open(damaged)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "bundle.json"])
def test_names_that_lead_outside_are_refused_before_anything_is_read(
    text_bundle: Path, tmp_path: Path, name: str
) -> None:
    damaged = copy(text_bundle, tmp_path)
    files = json.loads((damaged / "bundle.json").read_text())["files"]
    (tmp_path / "secret").write_bytes(b"s")
    rewrite(damaged, files=files | {name: {"sha256": sha256_bytes(b"s"), "bytes": 1}})
    with pytest.raises(BundleError, match="may lie outside"):
        Bundle.open(damaged)


def test_links_are_refused(text_bundle: Path, tmp_path: Path) -> None:
    damaged = copy(text_bundle, tmp_path)
    (damaged / "README.md").rename(tmp_path / "elsewhere")
    (damaged / "README.md").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="no plain file"):
        Bundle.open(damaged)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 1}', "\x00", '{"schema": 1, "files": []}'])
def test_a_bundle_json_of_nonsense_is_refused(text_bundle: Path, tmp_path: Path, content: str) -> None:
    damaged = copy(text_bundle, tmp_path)
    (damaged / "bundle.json").write_text(content)
    with pytest.raises(BundleError):
        Bundle.open(damaged)


@pytest.mark.parametrize(
    "lost", ["target", "modality", "thresholds", "batch_size", "transform", "files", "name", "graph"]
)
def test_a_bundle_json_that_lacks_a_part_is_refused(text_bundle: Path, tmp_path: Path, lost: str) -> None:
    damaged = copy(text_bundle, tmp_path)
    rewrite(damaged, **{lost: None})
    with pytest.raises(BundleError):
        Bundle.open(damaged).predict(["a"])


# --- finding ---


def test_a_run_folder_a_bundle_folder_and_a_last_file_all_open(text_bundle: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "texts-1"
    shutil.copytree(text_bundle, run / "bundle")
    (tmp_path / "runs" / "last").write_text("texts-1")
    assert load(run).name == load(run / "bundle").name == load(str(tmp_path / "runs" / "last")).name


def test_a_wrong_path_answers_with_the_near_miss(text_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(text_bundle, tmp_path / "texts-1" / "bundle")
    with pytest.raises(BundleError, match="Did you mean '.*texts-1'"):
        load(tmp_path / "text-1")
    with pytest.raises(BundleError, match="holds the runs texts-1"):
        load(tmp_path)


# --- predicting ---


def test_one_item_alone_equals_the_same_in_a_batch(image_bundle: Path, text_bundle: Path, pictures: Path) -> None:
    for folder, raws in ((image_bundle, list(image_handover(pictures).witness.raws)), (text_bundle, list(TEXTS))):
        bundle = Bundle.open(folder)
        together = bundle.predict(raws).probabilities
        for row, raw in enumerate(raws):
            alone = bundle.predict([raw]).probabilities[0]
            assert np.max(np.abs(alone - together[row])) <= 1e-5 * np.max(np.abs(alone))


def test_order_does_not_matter(text_bundle: Path) -> None:
    bundle = Bundle.open(text_bundle)
    texts = [text * n for n in (1, 7, 3) for text in TEXTS] * 9  # more than one batch, of mixed lengths
    forward, backward = bundle.predict(texts).probabilities, bundle.predict(texts[::-1]).probabilities
    np.testing.assert_allclose(forward, backward[::-1], rtol=1e-5)


def test_what_cannot_be_read_is_an_error_of_its_row(image_bundle: Path, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    good = next(pictures.rglob("*.png"))
    found = Bundle.open(image_bundle).predict([tmp_path / "broken.png", good, tmp_path / "gone.png"])
    assert sorted(found.errors) == [0, 2]
    assert found.labels[0] is None
    assert found.labels[1] in ("blue", "green", "red")
    assert np.isnan(found.probabilities[[0, 2]]).all()


def test_nothing_in_gives_nothing_out(text_bundle: Path) -> None:
    found = Bundle.open(text_bundle).predict([])
    assert found.probabilities.shape == (0, 2)
    assert list(found) == []


def test_seen_digests_are_kept(text_bundle: Path) -> None:
    assert Bundle.open(text_bundle).seen() == {"ab" * 32}


def test_features_are_those_that_the_head_sees(image_bundle: Path, text_bundle: Path, pictures: Path) -> None:
    handover, bundle = image_handover(pictures), Bundle.open(image_bundle)
    features = bundle.features(handover.witness.raws)
    assert features.shape == (6, bundle.width)
    assert handover.standardiser is not None
    again = handover.head.logits(handover.standardiser.apply(features))
    np.testing.assert_allclose(again, handover.witness.logits, atol=1e-5)
    words = Bundle.open(text_bundle)  # preparing gives them
    np.testing.assert_allclose(text_handover().head.logits(words.features(TEXTS)), words.logits(TEXTS), atol=1e-5)


def test_outputs_come_by_name_with_gaps_for_what_cannot_be_read(image_bundle: Path, pictures: Path) -> None:
    good = next(pictures.rglob("*.png"))
    found, errors = Bundle.open(image_bundle).run([good, pictures / "gone.png"], ("features", "unfamiliarity"))
    assert found.keys() == {"features", "unfamiliarity"}
    assert found["unfamiliarity"].shape == (2,)
    assert list(errors) == [1]
    assert np.isnan(found["features"][1]).all()
    assert np.isfinite(found["features"][0]).all()


def test_an_output_that_is_not_there_is_refused(text_bundle: Path) -> None:
    with pytest.raises(RequestError, match="counts of words are too many"):
        Bundle.open(text_bundle).run(TEXTS, ("unfamiliarity",))


def test_nothing_of_an_item_is_kept(image_bundle: Path, text_bundle: Path, pictures: Path) -> None:
    """No raw item, no features, no name of a file: numbers over all of them, and digests."""
    handover = image_handover(pictures)
    features = Bundle.open(image_bundle).features(handover.witness.raws)
    blob = b"".join(file.read_bytes() for file in image_bundle.iterdir())
    for path, row in zip(handover.witness.raws, features, strict=True):
        assert str(path).encode() not in blob
        assert row.tobytes() not in blob
    told = b"".join(file.read_bytes() for file in text_bundle.iterdir() if file.name != "vocabulary.json")
    assert not any(text.encode() in told for text in TEXTS)  # the vocabulary holds their words, as the card says
