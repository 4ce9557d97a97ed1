"""The trainer runs phases in order, skips what a checkpoint has behind it, and leaves a record."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keiki.core.errors import TrainingError
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.task import TrainView
from keiki.methods.base import Descend, Method, Model, Phase, Solve
from keiki.testing.playground import Playground, playground, small
from keiki.training import trainer as loop
from keiki.training.checkpoint import Checkpoints
from keiki.training.descent import Descent, to_arrays
from keiki.training.pace import Pace
from keiki.training.trainer import Trainer

LAST = Pace(channels_last=True)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("text", tmp_path_factory.mktemp("ground"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("image", tmp_path_factory.mktemp("pictures"))


class Watched(Method):
    """Another method's phases, and one before and one after them that look at the network."""

    def __init__(self, inner: Method, look: Callable[[], None]) -> None:
        self.inner, self.look, self.name = inner, look, inner.name  # type: ignore[misc]

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield Solve("first look", self.look)
        yield from self.inner.phases(model, view)
        yield Solve("last look", self.look)


def layout(model: Model) -> dict[str, tuple[int, ...]]:
    return {name: tensor.stride() for name, tensor in model.network.state_dict().items()}


def condition(model: Model) -> dict[str, Any]:
    """All of a network that another step could depend on, but its tensors' values."""
    network = model.network
    return {
        "modes": {name: module.training for name, module in network.named_modules()},
        "released": {name: p.requires_grad for name, p in network.named_parameters()},
        "gradients": [name for name, p in network.named_parameters() if p.grad is not None],
        "layout": layout(model),
        "ids": [id(p) for p in network.parameters()],
    }


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


@pytest.mark.parametrize("modality", ["image", "text"])
@pytest.mark.parametrize("options", [{"batch_norm": "moving"}, {"freeze": "1", "ema": 0.9}], ids=["moving", "frozen"])
def test_steps_that_are_timed_leave_no_trace(
    modality: str,
    options: dict[str, Any],
    ground: Playground,
    pictures: Playground,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With dropout in both networks and BatchNorm in one."""
    here = pictures if modality == "image" else ground
    monkeypatch.setattr(loop, "WORTH", 0.0)
    method = small("full-finetune", **options)
    plain = here.train(method)
    model = here.build(method)
    stepped: list[dict[str, Any]] = []
    taken = Descent._step

    def step(self: Descent, *arguments: Any) -> float:
        loss = taken(self, *arguments)
        stepped.append(to_arrays(self.network))
        return loss

    def find(phase: str, timed: Callable[[], Pace]) -> Pace:
        weights, before = to_arrays(model.network), condition(model)
        with monkeypatch.context() as patch:
            patch.setattr(Descent, "_step", step)
            timed()
        assert len(stepped) == 3 * (3 if modality == "image" else 2)  # plain, channels_last where there are maps, bf16
        assert any(not np.array_equal(stepped[0][name], array) for name, array in weights.items())
        assert condition(model) == before
        assert all(np.array_equal(array, weights[name]) for name, array in to_arrays(model.network).items())
        return Pace()

    Trainer(Randomness(0), Record(), find_pace=find).run(method, model, here.view)
    assert stepped
    for name, array in plain.state()[0].items():
        assert np.array_equal(model.state()[0][name], array, equal_nan=True), name


@pytest.mark.parametrize("plain", [Pace(), LAST], ids=["contiguous", "channels last"])
@pytest.mark.parametrize("found", [Pace(), LAST], ids=["contiguous", "channels last"])
def test_between_descents_the_network_lies_as_the_plain_pace_has_it(
    plain: Pace, found: Pace, pictures: Playground
) -> None:
    inner = small("full-finetune")
    model, witness = pictures.build(inner), pictures.build(inner)
    plain.place(witness.network)
    seen: list[dict[str, tuple[int, ...]]] = []
    method = Watched(inner, lambda: seen.append(layout(model)))
    Trainer(Randomness(0), Record(), pace=plain, find_pace=lambda name, timed: found).run(method, model, pictures.view)
    assert seen == [layout(witness)] * 2


def test_a_run_in_another_layout_that_is_cut_between_phases_ends_with_the_same_bits(
    pictures: Playground, tmp_path: Path
) -> None:
    method = small("full-finetune")

    def run() -> tuple[Model, list[str]]:
        events: list[dict[str, Any]] = []
        record = Record(listeners=(events.append,))
        trainer = Trainer(
            Randomness(0),
            record,
            find_pace=lambda name, timed: LAST,
            checkpoints=Checkpoints(tmp_path, "x" * 64, record),
        )
        model = trainer.run(method, pictures.build(method), pictures.view)
        return model, [each["name"] for each in events if each["event"] == "phase"]

    whole, phases = run()
    shutil.rmtree(max((tmp_path / ("x" * 16)).iterdir()))  # that after the last phase
    again, phases_again = run()
    assert phases_again == phases[-1:]
    assert layout(again) == layout(whole)
    for name, array in whole.state()[0].items():
        assert np.array_equal(again.state()[0][name], array, equal_nan=True), name


def test_pieces_that_a_phase_asks_for_are_no_lack_of_memory(ground: Playground) -> None:
    class InPieces(Method):
        name = "in-pieces"

        def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
            for phase in small("full-finetune").phases(model, view):
                yield replace(phase, pieces=2) if isinstance(phase, Descend) else phase

    events: list[dict[str, Any]] = []
    model = ground.build(small("full-finetune"))
    Trainer(Randomness(0), Record(listeners=(events.append,))).run(InPieces(), model, ground.view)
    assert "out of memory" not in {each["event"] for each in events}
    assert model.facts["curves"][-1]["pace"]["pieces"] == 2
