"""An export answers as the bundle does, through the example that is written beside it, or does not appear."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.examples import image as image_example
from keiki.artifacts.formats.base import FORMATS, export
from keiki.artifacts.synthetic import make
from keiki.core.errors import ParityError, RequestError, UnknownName
from keiki.data.transforms.image import ImageTransform


def test_the_export_carries_its_certificate_and_its_example(image_bundle: Path, pictures: Path, tmp_path: Path) -> None:
    samples = sorted(pictures.rglob("*.png"))
    certificate = export(Bundle.open(image_bundle), "onnx", tmp_path / "out", samples)
    written = json.loads((tmp_path / "out" / "parity.json").read_text())
    assert written["max_abs_difference"] == certificate.max_abs_difference <= 1e-6
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"model.onnx", "preprocessing.json", "example.py", "README.md"} <= names


def test_the_example_runs_without_keiki(image_bundle: Path, pictures: Path, tmp_path: Path) -> None:
    export(Bundle.open(image_bundle), "onnx", tmp_path / "out", sorted(pictures.rglob("*.png")))
    script = (
        f"import sys, runpy; sys.argv = ['example.py', {str(pictures / 'red' / '0.png')!r}];"
        f"runpy.run_path({str(tmp_path / 'out' / 'example.py')!r}, run_name='__main__');"
        "assert not [m for m in sys.modules if m.startswith('keiki')]"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert ": red (" in done.stdout


def test_the_example_tells_what_is_unfamiliar(image_bundle: Path, pictures: Path, tmp_path: Path) -> None:
    export(Bundle.open(image_bundle), "onnx", tmp_path / "out", sorted(pictures.rglob("*.png")))
    Image.new("RGB", (20, 20), (250, 250, 250)).save(tmp_path / "grey.png")
    script = [
        sys.executable,
        str(tmp_path / "out" / "example.py"),
        str(tmp_path / "grey.png"),
        str(pictures / "red" / "0.png"),
    ]
    strange, known = subprocess.run(script, capture_output=True, text=True, check=True).stdout.splitlines()
    assert strange.endswith(", unfamiliar")
    assert not known.endswith(", unfamiliar")
    assert "`unfamiliarity` (N,)" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_a_model_whose_preprocessing_is_ours_exports_too(text_bundle: Path, tmp_path: Path) -> None:
    certificate = export(Bundle.open(text_bundle), "onnx", tmp_path / "out", make("text", tmp_path))
    assert certificate.same_top_class
    assert not (tmp_path / "out" / "example.py").exists()


def test_an_export_that_differs_leaves_nothing_behind(
    image_bundle: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_example, "middle", lambda image: (0, 0, 1, 1))
    monkeypatch.setattr(image_example.Model, "prepare", lambda self, path: np.zeros((3, 16, 16), np.float32))
    with pytest.raises(ParityError):
        export(Bundle.open(image_bundle), "onnx", tmp_path / "out", sorted(pictures.rglob("*.png")))
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_sample_is_no_parity(image_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ParityError):
        export(Bundle.open(image_bundle), "onnx", tmp_path / "out", [tmp_path / "gone.png"])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(text_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RequestError, match="exists already"):
        export(Bundle.open(text_bundle), "onnx", tmp_path, ["a"])
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_an_unknown_format_answers_with_the_near_miss(text_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'onnx'"):
        export(Bundle.open(text_bundle), "onx", tmp_path / "out", ["a"])


def test_every_format_says_what_it_is() -> None:
    for name, format in FORMATS.items():
        assert format.name == name
        assert format.about


@pytest.mark.parametrize("mode", ["squash", "crop", "pad"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_the_picture_example_prepares_as_we_do(tmp_path: Path, mode: str, interpolation: str) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    transform = ImageTransform(mode=mode, size=48, mean=mean, std=std, interpolation=interpolation)  # type: ignore[arg-type]
    example = image_example.Model.__new__(image_example.Model)
    example.facts = {"transform": json.loads(json.dumps(transform.to_json()))}
    for path in _pictures(tmp_path):
        ours = transform.collate([transform.prepare(path)])["image"][0]
        np.testing.assert_array_equal(example.prepare(path), ours, err_msg=path.name)


def _pictures(folder: Path) -> list[Path]:
    random = np.random.default_rng(1)
    grain = Image.fromarray(random.integers(0, 256, (90, 61, 3), dtype=np.uint8))
    big = grain.resize((2400, 1700), Image.Resampling.BICUBIC)
    clear = grain.copy()
    clear.putalpha(Image.fromarray(random.integers(0, 256, (90, 61), dtype=np.uint8)))
    turned = Image.Exif()
    turned[0x0112] = 6
    big.save(folder / "big.jpg")
    grain.save(folder / "turned.jpg", exif=turned)
    clear.save(folder / "clear.png")
    grain.convert("L").save(folder / "grey.png")
    grain.convert("P").save(folder / "palette.png")
    grain.save(folder / "plain.webp", lossless=True)
    return sorted(path for path in folder.iterdir() if path.is_file())
