"""What every method promises. `check_method(name, modality, folder)` runs all of it; the test suite runs each apart.

A promise is a function of a playground and the name of a method; it fails with the promise in words.
"""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from keiki.core.options import rows
from keiki.core.random import Randomness
from keiki.data.task import Modality
from keiki.methods.base import METHODS, Descend, Method, Solve
from keiki.testing.check import Checks, require
from keiki.testing.playground import Playground, accuracy, playground, same, small, weights_of

CHECKS = Checks()
SECONDS = 20.0  # a tiny fit, on a busy machine


def check_method(name: str, modality: Modality, folder: Path) -> None:
    """Hold the method `name` to every promise; raises AssertionError with the first one that it breaks."""
    ground = playground(modality, folder)
    for check in CHECKS.all():
        check(ground, name)


def pairs() -> list[tuple[str, Modality]]:
    """Every registered method with every modality that it declares."""
    return [(name, modality) for name, kind in METHODS.items() for modality in sorted(kind.modalities)]


@CHECKS.add
def config_survives_json(ground: Playground, name: str) -> None:
    config = METHODS.get(name).Config()
    require(type(config).from_json(config.to_json()) == config, "a Config equals itself after JSON")


@CHECKS.add
def every_option_has_help_and_a_default_in_its_range(ground: Playground, name: str) -> None:
    for row in rows(METHODS.get(name).Config):
        require(len(row.help) > 10, f"option '{row.name}' says what it does")
        auto = row.default == "auto" and "auto" in row.type  # stands for a number that the data decide
        fits = auto or row.search is None or row.search.contains(row.default)
        require(fits, f"the default of '{row.name}' lies in its range")


@CHECKS.add
def it_states_idea_title_and_source(ground: Playground, name: str) -> None:
    kind = METHODS.get(name)
    text = kind.__doc__ or ""
    require("Source:" in text and len(text) > 150, "the docstring has the idea and its source")
    require(
        bool(kind.paper and kind.title and kind.family) and kind.name == name, "paper, title, family and name are set"
    )


@CHECKS.add
def build_leaves_pretrained_weights_as_they_were(ground: Playground, name: str) -> None:
    model = ground.build(small(name))
    if model.network is None or not model.backbone.card.pretrained:
        return
    from keiki.engines.convert import relative_difference
    from keiki.engines.torch import TorchEngine

    fresh, body = model.backbone.module(), model.network.body
    effective = _plain_state(body)
    for tensor, values in fresh.state_dict().items():
        require(bool((effective[tensor] == values).all()), f"'{tensor}' is as it was pretrained")
    example, _ = model.backbone.examples(model.backbone.transforms()[model.transform_name])
    difference = relative_difference(TorchEngine(body).run(example), TorchEngine(fresh).run(example))
    require(difference <= 1e-6, "the network answers as the pretrained one, whatever was added to it")


@CHECKS.add
def phases_are_lazy(ground: Playground, name: str) -> None:
    method = small(name)
    model = ground.build(method)
    before = _fingerprint(model)
    for phase in method.phases(model, ground.view):
        require(isinstance(phase, Solve | Descend), "phases are Solve or Descend")
        require(_fingerprint(model) == before, "nothing changes between two yields")


@CHECKS.add
def it_beats_chance_on_an_easy_task(ground: Playground, name: str) -> None:
    if "null" in METHODS.get(name).tags:
        return
    found = accuracy(ground.trained(name), ground.test, ground.test_labels)
    require(found > 0.5, f"an easy task with three classes is solved better than by chance, not {found:.2f}")


@CHECKS.add
def same_seed_same_bits(ground: Playground, name: str) -> None:
    first = weights_of(ground.trained(name))
    _disturb()
    require(same(first, weights_of(ground.train(small(name)))), "the same seed gives the same bits")


@CHECKS.add
def what_is_frozen_does_not_move(ground: Playground, name: str) -> None:
    from keiki.nn.weight_changes import plain_name

    method = small(name)
    model = ground.build(method)
    if model.network is None:
        return
    before, trained = _plain_state(model.network), ground.trained(name)
    moving = _declared(method, model, ground, trained.facts.get("ships"))
    if trained.facts.get("preferred") == "probe":  # the descent was undone
        moving = {each for each in moving if not each.startswith("body.")}
    sizes = {n: p.numel() for n, p in model.network.named_parameters()}
    parameters = {n for n, _ in trained.network.named_parameters()}
    free = {plain_name(each) for each in moving}
    owners = {each.rpartition(".")[0] for each in free}
    for tensor, values in trained.network.state_dict().items():
        if tensor not in free and (tensor in parameters or tensor.rpartition(".")[0] not in owners):
            require(bool((values == before[tensor]).all()), f"'{tensor}' is frozen and has not moved")
    share = sum(sizes[each] for each in moving) / sum(sizes.values())
    require(abs(trained.facts["trainable"] - share) < 1e-9, "the reported trainable share is true")
    fitted = sum(sizes[each] for each in moving)
    require(trained.trained_parameters() == fitted, "the number of trained parameters is true")


@CHECKS.add
def from_a_kept_boundary_it_ends_where_it_does_without(ground: Playground, name: str) -> None:
    if "freeze" not in {row.name for row in rows(METHODS.get(name).Config)}:
        return
    # Large steps of AdamW blow up the last bits, in which the engines differ; augmented variants are others.
    quiet: dict[str, object] = {"learning_rate": 1e-4, "head_rate": 1e-4, "augment": "none", "freeze": "1"}
    kept, plain = (ground.train(small(name, **quiet, boundary=how)) for how in ("auto", "off"))
    if kept.boundary is not None:
        require(not kept.boundary.why_not, f"the tiny backbones can be cut, but {kept.boundary.why_not}")
    ours, theirs = kept.logits(ground.test), plain.logits(ground.test)
    gap = float(np.abs(ours - theirs).max()) / max(float(np.abs(theirs).max()), 1e-12)
    require(gap < 1e-3, f"begun at a kept boundary it answers as from the beginning, but for {gap:.0e}")


@CHECKS.add
def stopped_anywhere_and_resumed_equals_uninterrupted(ground: Playground, name: str) -> None:
    if not METHODS.get(name).gradient:
        return
    events: list[dict[str, Any]] = []
    whole = weights_of(ground.train(small(name), listeners=(events.append,)))
    _disturb()
    for stop in _stops(len(events)):
        folder = ground.folder / f"checkpoints-{name}-{stop}"
        try:
            ground.train(small(name), checkpoints=folder, listeners=(_Bomb(stop),))
        except _Killed:
            pass
        else:
            raise AssertionError("the run was cut")
        resumed = weights_of(ground.train(small(name), checkpoints=folder))
        require(same(whole, resumed), f"cut at event {stop} and resumed, it ends with the same bits")


@CHECKS.add
def one_item_alone_equals_itself_in_a_batch(ground: Playground, name: str) -> None:
    model = ground.trained(name)
    together = model.logits(ground.test)
    alone = np.concatenate([model.logits(ground.test.take([i])) for i in range(3)])
    largest = float(np.abs(together).max())
    require(float(np.abs(together[:3] - alone).max()) <= 1e-5 * max(largest, 1e-12), "alone or in a batch: the same")


@CHECKS.add
def test_labels_change_nothing(ground: Playground, name: str) -> None:
    labels = ground.task.labels.copy()
    labels[ground.task.test] = np.random.default_rng(1).permutation(labels[ground.task.test])
    shuffled = replace(ground.task, labels=labels)
    first = ground.trained(name)
    second = ground.train(small(name), view=shuffled.training_view())
    require(same(weights_of(first), weights_of(second)), "shuffled test labels change no bit")


@CHECKS.add
def out_of_fold_answers_are_honest(ground: Playground, name: str) -> None:
    if "null" in METHODS.get(name).tags:
        return
    rng = np.random.default_rng(0)
    noise = replace(ground.view, labels=rng.permutation(ground.view.labels))
    model = ground.train(small(name), view=noise)
    if model.out_of_fold is None:
        return
    held = np.isfinite(model.out_of_fold).all(axis=1)
    found = float((model.out_of_fold[held].argmax(axis=1) == noise.labels[held]).mean())
    require(found < 0.75, f"labels without meaning cannot be predicted out of fold, but {found:.2f} are")


@CHECKS.add
def missing_needs_are_refused(ground: Playground, name: str) -> None:
    kind = METHODS.get(name)
    require(all(isinstance(need, str) for need in kind.needs), "needs are names of parts of a task")


@CHECKS.add
def the_bundle_answers_like_the_model(ground: Playground, name: str) -> None:
    if "null" in METHODS.get(name).tags:
        return
    from keiki.artifacts.bundle import Bundle

    model = ground.trained(name)
    folder = _bundle(ground, name, model)
    logits = model.logits(ground.test)
    answers = Bundle.open(folder).predict(ground.test.raws)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    require(float(np.abs(shares - answers.probabilities).max()) < 1e-4, "saved, opened and asked, it answers the same")


@CHECKS.add
def it_stays_within_its_seconds(ground: Playground, name: str) -> None:
    start = time.perf_counter()
    ground.train(small(name))
    require(time.perf_counter() - start < SECONDS, f"a tiny fit takes less than {SECONDS} s")


def _disturb() -> None:
    """Draw from the global generators: no result may depend on their state."""
    import torch

    torch.rand(7)
    np.random.default_rng().random()


class _Killed(BaseException):
    """Stands for SIGKILL: nothing in keiki catches it."""


class _Bomb:
    """Cuts a run at its n-th event."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self, event: dict[str, Any]) -> None:
        self.left -= 1
        if self.left < 0:
            raise _Killed


def _stops(n_events: int) -> list[int]:
    """Where to cut: at the start, at the end, and twice between."""
    return sorted({0, n_events // 3, 2 * n_events // 3, n_events - 1})


def _declared(method: Method, model: Any, ground: Playground, ships: str | None) -> set[str]:
    """Names of the parameters that any phase may move; where several were tried, each from the start, that one phase
    may move whose outcome ships."""
    names = {id(p): n for n, p in model.network.named_parameters()}
    descents = [p for p in method.phases(model, ground.view) if isinstance(p, Descend)]
    phases = [p for p in descents if ships in (None, p.name)]
    require(ships is None or len(phases) == 1, "what ships comes of one of the phases")
    return {names[id(p)] for phase in phases for move in phase.moves for group in move.groups for p in group.parameters}


def _plain_state(network: Any) -> dict[str, Any]:
    """The state of a network whose weight changes are merged; the network itself stays as it is."""
    from keiki.nn.weight_changes import merge

    copied = copy.deepcopy(network)
    merge(copied)
    return {name: tensor.clone() for name, tensor in copied.state_dict().items()}


def _fingerprint(model: Any) -> tuple[Any, ...]:
    network = (
        None if model.network is None else float(sum(p.detach().double().sum() for p in model.network.parameters()))
    )
    return (model.transform_name, model.head, network, model.out_of_fold is None, dict(model.facts))


def _bundle(ground: Playground, name: str, model: Any) -> Path:
    from keiki.artifacts.handover import Handover, Witness
    from keiki.artifacts.writer import write_bundle
    from keiki.core.record import Record
    from keiki.pipeline.deliver import take_apart
    from keiki.selection.workshop import Workshop

    shop = Workshop(ground.backbone, ground.cache, ground.bank(), ground.plan, Randomness(0), Record())
    parts = take_apart(model, shop)
    some = ground.view.items.take(range(5))
    folder = ground.folder / f"bundle-{name}"
    handover = Handover(
        name="easy",
        target=ground.task.target,
        transform=model.backbone.transforms()[model.transform_name],
        card=model.backbone.card.to_json(),
        method=name,
        options={},
        graph=parts.graph,
        standardiser=None,
        head=parts.head,
        temperature=1.0,
        thresholds={"accept": None, "asked_accuracy": 0.95},
        witness=Witness(some.raws, model.logits(some)),
        weights=parts.weights,
    )
    write_bundle(folder, handover)
    return folder
