"""The trainer runs phases in order, skips what a checkpoint has behind it, and leaves a record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keiki.core.errors import TrainingError
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.task import TrainView
from keiki.methods.base import Descend, Method, Model, Phase, Solve
from keiki.testing.playground import Playground, playground, small
from keiki.training.checkpoint import Checkpoints
from keiki.training.trainer import Trainer


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("text", tmp_path_factory.mktemp("ground"))


def test_every_phase_and_epoch_is_recorded(ground: Playground) -> None:
    events: list[dict[str, Any]] = []
    model = ground.train(small("lp-ft"), listeners=(events.append,))
    assert [each["name"] for each in events if each["event"] == "phase"] == [
        "view",
        "head",
        "place head",
        "tune",
        "validate",
    ]
    epochs = [each for each in events if each["event"] == "epoch"]
    assert [each["epoch"] for each in epochs] == list(range(1, len(epochs) + 1))
    (curve,) = model.facts["curves"]
    assert [each.get("train_loss") for each in curve["epochs"]][1:] == [each["train_loss"] for each in epochs]


def test_a_finished_fit_is_not_done_again(ground: Playground, tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    ground.train(small("full-finetune"), checkpoints=tmp_path)
    ground.train(small("full-finetune"), checkpoints=tmp_path, listeners=(events.append,))
    assert [each["event"] for each in events] == ["resumed"]


def test_a_damaged_checkpoint_costs_its_epoch_and_no_more(ground: Playground, tmp_path: Path) -> None:
    whole = ground.train(small("full-finetune"))
    ground.train(small("full-finetune"), checkpoints=tmp_path)
    newest = max(tmp_path.rglob("state.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-1])
    events: list[dict[str, Any]] = []
    again = ground.train(small("full-finetune"), checkpoints=tmp_path, listeners=(events.append,))
    assert [each["event"] for each in events][:2] == ["checkpoint damaged", "resumed"]
    assert all((again.state()[0][name] == array).all() for name, array in whole.state()[0].items() if "network" in name)


def test_gradients_without_a_network_are_refused(ground: Playground) -> None:
    class Wrong(Method):
        name = "wrong"

        def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
            yield Solve("nothing", lambda: None)
            yield Descend("tune", [], epochs=1, feed=None)  # type: ignore[arg-type]

    trainer = Trainer(Randomness(0), Record(), checkpoints=Checkpoints(Path("unused"), "x" * 64, Record()))
    with pytest.raises(TrainingError, match="has no network"):
        trainer.run(Wrong(), ground.build(Wrong()), ground.view)
