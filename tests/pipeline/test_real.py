"""One small fit on each backbone that comes with the install; its graph is converted once a test session."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keiki.artifacts.bundle import Bundle
from keiki.pipeline.fit import Run

Fit = Callable[..., Run]

WORDS = {
    "weather": (
        "It rains all day long",
        "A storm comes from the sea",
        "The sun shines on dry hills",
        "Snow fell at night",
    ),
    "cooking": (
        "Stir the soup with a spoon",
        "Bake the bread until brown",
        "Chop the onions finely",
        "Fry two eggs in oil",
    ),
}


@pytest.mark.slow
def test_texts_on_minilm(table: Callable[..., Path], quick: Fit) -> None:
    rows = [
        (f"{text} {when}.", label) for label, texts in WORDS.items() for text in texts for when in ("today", "again")
    ]
    done = quick(table(rows), backbone="auto")
    assert done.summary["backbone"] == "minilm-l6"
    answers = Bundle.open(done.folder).predict(["Clouds and wind from the north", "Boil the potatoes in salted water"])
    assert list(answers.labels) == ["weather", "cooking"]


@pytest.mark.slow
def test_pictures_on_efficientnet(painted: Path, quick: Fit) -> None:
    done = quick(painted, backbone="auto", options={"view": "squash-224"})
    assert done.summary["backbone"] == "efficientnet-lite0"
    assert done.summary["test"]["accuracy"]["value"] == 1.0
    picture = next(painted.rglob("red*.png"))
    script = (
        f"import sys, keiki; print(keiki.load({str(done.folder)!r}).predict([{str(picture)!r}]).labels)\n"
        "assert not {'torch', 'timm', 'transformers', 'sklearn', 'pandas'} & sys.modules.keys()"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=_root())
    assert told.returncode == 0, told.stderr
    assert "red" in told.stdout


def _root() -> Path:
    import keiki

    return Path(keiki.__file__).parents[1]
