"""What fine-tuning methods are made of: a network, where its head starts, which parameters move, one descent.

A method reads like this:

    def phases(self, model, view):
        yield from start(model, view, self.config)
        yield tune(model, view, self.config, moves=is_bias)
        yield validate(model, view)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
from keiki.core.errors import DataError, TrainingError
from keiki.data.folds import inner_folds
from keiki.data.task import Target, TrainView
from keiki.methods.base import Descend, Group, Method, Model, Move, Phase, Solve
from keiki.methods.freezing import first_moving
from keiki.methods.linear_probe import LinearProbe
from keiki.methods.tuning_config import TuningConfig
from keiki.nn.softmax import cross_entropy_per_item

if TYPE_CHECKING:
    from torch import Tensor, nn

    from keiki.nn.network import Seen

Moves = Callable[[str, "nn.Module"], bool]
Penalty = Callable[["Seen"], "Tensor"]


class Tuning(Method):
    """Parent of the methods that move a network of their own by gradients."""

    family = "fine-tuning"
    quick = False
    gradient = True
    Config = TuningConfig

    def build(self, backbone: Backbone, target: Target, bank: FeatureBank) -> Model:
        return with_network(super().build(backbone, target, bank))


def with_network(model: Model) -> Model:
    """The model with a network of its own: the backbone's weights and a head of zeros."""
    from keiki.nn.network import BodyAndHead

    body = model.backbone.module()
    model.network = BodyAndHead(body, model.backbone.network_width, len(model.target.classes))
    return model


def start(model: Model, view: TrainView, config: TuningConfig) -> Iterator[Phase]:
    """The phases before the descent: a linear probe on what will be learned from, and its head on the network.

    A head that already fits keeps the features from being distorted in the first steps: Kumar et al. 2022,
    arXiv:2202.10054. The fold that stops training is unseen by both.
    """
    if config.start == "probe":
        yield from LinearProbe().phases(model, learning_part(view))
        yield Solve("place head", lambda: _place(model))


def tune(
    model: Model,
    view: TrainView,
    config: TuningConfig,
    *,
    name: str = "tune",
    moves: Moves | None = None,
    penalty: Penalty | None = None,
    weight_decay: float | None = None,
) -> Descend:
    """The descent of the task's loss on those parameters of the body that `moves` names (all), and on the head.

    moves(name, owner): whether the parameter `name` of the body, which belongs to the module `owner`, may move; what
    lies in a frozen stage never does. penalty: added to the loss of every batch, once `Seen`. weight_decay: of the
    body, other than the config's; that of the head stays.
    """
    from keiki.nn.network import feed_logits, task_loss

    network = model.network
    learn, stop = validation_rows(view)
    held = model.feed(view.items.take(stop), view.labels[stop], config.batch_size, shuffle=False)

    def score() -> float:
        return float(cross_entropy_per_item(feed_logits(network, held, len(stop)), view.labels[stop]).mean())

    return Descend(
        name,
        moves=[Move(task_loss(network, penalty), groups(model, config, moves, weight_decay))],
        epochs=config.epochs,
        feed=model.feed(view.items.take(learn), view.labels[learn], config.batch_size),
        validate=score,
        patience=config.patience,
        warmup_ratio=config.warmup_ratio,
        clip_norm=config.clip_norm,
        schedule=config.schedule,
        wake="stall" if config.unfreeze == "stall" else "epoch",
        ema=config.ema,
        still=config.batch_norm == "still",
    )


def groups(model: Model, config: TuningConfig, moves: Moves | None, weight_decay: float | None = None) -> list[Group]:
    """One group a stage that moves, from the head of the network down to its input.

    The stage nearest to the head learns at `learning_rate`, each one below at `layer_decay` times the rate of the stage
    above it. Sources: discriminative rates and gradual unfreezing, Howard and Ruder 2018, arXiv:1801.06146, sections
    3.2 and 3.3; layer-wise decay, Clark et al. 2020, arXiv:2003.10555, appendix A.
    """
    parts = model.parts()
    lowest = first_moving(config.freeze, [name for name, _ in parts])
    decay = config.weight_decay if weight_decay is None else weight_decay
    found = [Group(list(model.network.head.parameters()), config.head_rate, config.weight_decay, "head of the task")]
    for depth, (name, parameters) in enumerate(reversed(parts[lowest:])):
        owners = {path: model.network.body.get_submodule(path.rpartition(".")[0]) for path in parameters}
        moving = [p for path, p in parameters.items() if moves is None or moves(path, owners[path])]
        if moving:
            rate = config.learning_rate * config.layer_decay**depth
            wakes = config.head_epochs + (0 if config.unfreeze == "at once" else depth + (config.head_epochs == 0))
            found.append(Group(moving, rate, decay, name, wakes))
    return found


def validation_rows(view: TrainView) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from, and rows to stop by: the first fold of the first partition that is left in the view."""
    held = view.folds[0] == view.folds[0].min()
    if held.all():
        raise DataError(
            "Fine-tuning keeps some training items apart to stop by, but all of them lie in one group.",
            hint="Add items of other groups, or use --method linear-probe.",
        )
    return np.flatnonzero(~held), np.flatnonzero(held)


def learning_part(view: TrainView) -> TrainView:
    """The view without the rows that stop training; the other folds stay, or are dealt anew where only one is left."""
    learn, _ = validation_rows(view)
    part = view.subset(learn)
    if len(np.unique(part.folds[0])) > 1:
        return part
    folds = inner_folds(part.labels, part.groups, np.zeros(len(part), dtype=np.bool_), view.random.child("learn"))
    if len(np.unique(folds[0])) < 2:
        raise DataError(
            "Fine-tuning keeps one group of training items apart to stop by, and its probe needs two more.",
            hint="Add items of other groups, use --set start=zeros, or --method linear-probe.",
        )
    return replace(part, folds=folds)


def validate(model: Model, view: TrainView) -> Solve:
    """The last phase: the logits of the held-back fold are the model's out-of-fold predictions."""

    def keep() -> None:
        _, stop = validation_rows(view)
        model.out_of_fold = np.full((len(view), view.n_classes), np.nan)
        model.out_of_fold[stop] = model.logits(view.items.take(stop))

    return Solve("validate", keep)


def _place(model: Model) -> None:
    from keiki.nn.network import put_head

    if model.head is None:
        raise TrainingError("Fine-tuning wants to start from a probe, but the probe has left no head.")
    put_head(model.network, model.head)
