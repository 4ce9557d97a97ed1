"""What fine-tuning methods are made of: a network, where its head starts, which parameters move, one descent.

A method reads like this:

    def phases(self, model, view):
        yield from start(model, view, self.config)
        yield tune(model, view, self.config, moves=is_bias)
        yield validate(model, view, self.config)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from keiki.backbones.base import Backbone
from keiki.backbones.boundary import Border, Boundary
from keiki.backbones.features import FeatureBank
from keiki.core.errors import DataError, TrainingError
from keiki.data.folds import inner_folds
from keiki.data.task import Target, TrainView
from keiki.methods.augmenting import Augmenting, augmenting
from keiki.methods.balancing import Balance
from keiki.methods.base import Descend, Group, Method, Model, Move, Phase, Solve
from keiki.methods.chosen import found_out
from keiki.methods.flipping import check_flips, flips_of
from keiki.methods.freezing import first_moving
from keiki.methods.known_rows import place_known_rows
from keiki.methods.linear_probe import LinearProbe
from keiki.methods.loss_options import HeadOptions, balance_of, head_shape, item_loss
from keiki.methods.recipe import Size, settle
from keiki.methods.tuning_config import TuningConfig, steered
from keiki.nn.softmax import FloatArray

if TYPE_CHECKING:
    from torch import Tensor, nn

    from keiki.nn.network import Seen

REFIT_BELOW = 2000  # items
CUT_SHORT = "boundary cut short"  # a fact: what of the frozen stages' answers was left out for want of time
SPREAD = "spread of the features"  # a fact, by which the rate of the head goes: see `Size`
SPREAD_ITEMS = 256  # that it is taken from
START = "start/"  # before the names of what is laid aside of the start

Moves = Callable[[str, "nn.Module"], bool]
Penalty = Callable[["Seen"], "Tensor"]


class Tuning(Method):
    """Parent of the methods that move a network of their own by gradients."""

    family = "fine-tuning"
    quick = False
    gradient = True
    Config = TuningConfig

    def build(self, backbone: Backbone, target: Target, bank: FeatureBank) -> Model:
        if self.config.freeze != "auto":
            first_moving(self.config.freeze, [stage.name for stage in backbone.stages()])  # a wrong name is refused now
        return with_network(super().build(backbone, target, bank), self.config)

    def refitted(self, model: Model, view: TrainView) -> Tuning | None:
        """The same on all items, up to the telling epoch: a fifth more data, which counts where there are few.

        What the first fit has decided by the size of its data stays. None where it was not asked for, where the clock
        or a divergence has ended it, or where validation steers it on its way (stages that wake, rates that drop).
        """
        config = self.config
        wanted = config.refit == "yes" or (config.refit == "auto" and len(view) < REFIT_BELOW)
        if config.hold_back == "nothing" or not wanted or not model.facts.get("curves") or steered(config):
            return None
        curve = self._telling_curve(model)
        until = kept_epoch(curve)
        decided = self._decided(model)
        unfit = curve["ended"] == "diverged" or (until == 0 and config.start == "zeros")
        if curve["ended"] == "time" or (unfit and "until" not in decided):
            return None
        decided = {**_shown(model), "hold_back": "nothing", "until": until, **decided}
        return type(self)(replace(_settled(model, view, config), **decided))

    def _telling_curve(self, model: Model) -> dict[str, Any]:
        """The descent that says when to stop."""
        found: dict[str, Any] = model.facts["curves"][-1]
        return found

    def _decided(self, model: Model) -> dict[str, Any]:
        """Options that the first fit has chosen values for."""
        return {}


def kept_epoch(curve: dict[str, Any]) -> int:
    """The epoch whose weights a descent has kept."""
    lines = curve["epochs"]
    kept = [line for line in lines if "kept" in line] or lines
    return int(kept[-1]["epoch"])


def _shown(model: Model) -> dict[str, Any]:
    """What a fit has decided of augmentation and balance, as options."""
    found: dict[str, Any] = {}
    if "augmenting" in model.facts:
        told = model.facts["augmenting"]
        found["augment"] = told["level"]
        if "flip" in told:
            found["flip"] = "horizontal" if told["flip"] else "none"
    if "balance" in model.facts:
        found["balance"] = model.facts["balance"]["kind"]
    return found


def with_network(model: Model, config: HeadOptions | None = None) -> Model:
    """The model with a network of its own: the backbone's weights and a head that answers nothing yet."""
    from keiki.nn.network import BodyAndHead

    body = model.backbone.module()
    shape = None if config is None else head_shape(config)
    model.network = BodyAndHead(body, model.backbone.network_width, len(model.target.classes), shape)
    place_known_rows(model)
    return model


def start(model: Model, view: TrainView, config: TuningConfig) -> Iterator[Phase]:
    """The phases before the descent: a linear probe on what will be learned from, its head on the network, and how
    large the features are, by which the head will learn.

    A head that already fits keeps the features from being distorted in the first steps: Kumar et al. 2022,
    arXiv:2202.10054. The fold that stops training is unseen by both.
    """
    settled = _settled(model, view, config)
    if settled.balance != "none":
        yield Solve("balance", lambda: _note_balance(model, view, settled))
    if settled.head == "mlp":
        yield Solve("draw hidden layer", lambda: model.network.neck.draw(view.random.number("hidden layer")))
    if settled.start == "probe":
        yield from LinearProbe().phases(model, learning_part(view, settled))
        yield Solve("place head", lambda: place_probe(model, view, settled))
    if config.head_rate == "auto" and config.head == "linear":
        yield Solve("measure the features", lambda: _measure_spread(model, view, config))
    if settled.augment != "none" and settled.flip == "auto" and view.items.modality == "image":
        yield Solve("may pictures be mirrored", lambda: check_flips(model, learning_part(view, settled)))


def remember_start(model: Model) -> None:
    """Lay the head that the descent starts from aside; its body is `model.source`."""
    tensors = model.network.state_dict()
    model.aside |= {
        START + name: tensor.detach().cpu().numpy().copy()
        for name, tensor in tensors.items()
        if not name.startswith("body.")
    }


def start_state(model: Model) -> dict[str, Tensor]:
    """The network's state before the descent, if `remember_start` was there then."""
    import torch

    body = {f"body.{name}": tensor for name, tensor in model.source.state_dict().items()}
    rest = {name.removeprefix(START): array for name, array in model.aside.items() if name.startswith(START)}
    return body | {name: torch.from_numpy(array) for name, array in rest.items()}


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
    from keiki.nn.network import task_loss

    settled = _settled(model, view, config)
    learn, _ = held_back(view, settled)
    variation = _variation(model, view, settled)
    model.boundary = _boundary(model, view, settled, variation)
    model.network.find_cut = None if model.boundary is None else lambda: model.boundary.cut
    balance = _balance(view, settled)
    return Descend(
        name,
        moves=[
            Move(
                task_loss(model.network, penalty, item_loss(settled, balance)),
                groups(model, settled, moves, weight_decay),
            )
        ],
        epochs=int(settled.epochs),
        until=settled.until,
        feed=model.feed(
            view.items.take(learn),
            view.labels[learn],
            int(settled.batch_size),
            augment=variation.augment,
            weights=balance.sampler(view.labels[learn]),
            mixing=variation.mixing,
        ),
        validate=_judge(model, view, settled, balance),
        patience=int(settled.patience),
        warmup_ratio=settled.warmup_ratio,
        clip_norm=settled.clip_norm,
        schedule=settled.schedule,
        wake="stall" if settled.unfreeze == "stall" else "epoch",
        ema=settled.ema,
        still=settled.batch_norm == "still",
        pieces=settled.pieces,
    )


def _judge(model: Model, view: TrainView, config: TuningConfig, balance: Balance) -> Callable[[], FloatArray] | None:
    """What stops the descent: the log losses, at their best temperature, of the fold that is kept apart."""
    from keiki.nn.network import feed_logits

    _, stop = held_back(view, config)
    if not len(stop):
        return None
    held = model.feed(view.items.take(stop), view.labels[stop], int(config.batch_size), shuffle=False)
    return lambda: balance.held_out_losses(feed_logits(model.network, held, len(stop)), view.labels[stop])


def _settled(model: Model, view: TrainView, config: TuningConfig) -> TuningConfig:
    return settle(config, size_of(model, view, config))[0]


def size_of(model: Model, view: TrainView, config: TuningConfig) -> Size:
    """What the recipe goes by."""
    learn, _ = held_back(view, config)
    stages = len(model.backbone.stages())
    return Size(len(learn), view.n_classes, view.items.modality, stages, model.facts.get(SPREAD, nan))


def _measure_spread(model: Model, view: TrainView, config: TuningConfig) -> None:
    """The mean L1 distance of frozen features from their mean, of some of the items that are learned from."""
    learn, _ = held_back(view, config)
    learned = view.items.take(learn)
    some = learned.take(model.bank.sample(learned, SPREAD_ITEMS))
    features = np.asarray(model.features(some), dtype=np.float64)
    model.facts[SPREAD] = float(np.abs(features - features.mean(axis=0)).sum(axis=1).mean())


def _variation(model: Model, view: TrainView, config: TuningConfig) -> Augmenting:
    learn, _ = held_back(view, config)
    transform = model.backbone.transforms()[model.transform_name]
    return augmenting(config, transform, view.items.modality, view.target.classes, len(learn), flips_of(model))


def _boundary(model: Model, view: TrainView, config: TuningConfig, variation: Augmenting) -> Boundary | None:
    """What the frozen stages answer, to be kept: only where they are frozen in every phase, by the option `freeze`."""
    depth = _frozen(model, config)
    if config.boundary == "off" or depth == 0 or _unkept(config, variation):
        return None
    variants = config.variants if variation.augment else 0
    border = Border(model.backbone, model.transform_name, depth, variation.augment, variants)
    found = Boundary(border, model.bank, model.network.body, int(config.boundary_gib * 2**30))
    found.cut_short = model.facts.get(CUT_SHORT, "")
    found.note = lambda told: model.facts.update({CUT_SHORT: told})
    return found


def _frozen(model: Model, config: TuningConfig) -> int:
    """Number of the stages, from the input on, that lie still in every phase."""
    return first_moving(config.freeze, [stage.name for stage in model.backbone.stages()])


def _unkept(config: TuningConfig, variation: Augmenting) -> str:
    """Why nothing can be kept of items that vary like this, or nothing."""
    if variation.mixing is not None:
        return "items are mixed with each other, anew in each epoch"
    if variation.augment is not None and not config.variants:
        return "items are augmented, and variants=0 keeps none of their variants"
    return ""


def _boundary_facts(model: Model, config: TuningConfig, variation: Augmenting) -> dict[str, Any] | None:
    """What a report says of what is kept, or why nothing is; None where it was not asked for."""
    if model.boundary is not None:
        return model.boundary.facts()
    depth, why = _frozen(model, config), _unkept(config, variation)
    return {"stages": depth, "why_not": why} if why and depth and config.boundary == "auto" else None


def groups(model: Model, config: TuningConfig, moves: Moves | None, weight_decay: float | None = None) -> list[Group]:
    """One group a stage that moves, from the head of the network down to its input.

    The stage nearest to the head learns at `learning_rate`, each one below at `layer_decay` times the rate of the stage
    above it. Sources: discriminative rates and gradual unfreezing, Howard and Ruder 2018, arXiv:1801.06146, sections
    3.2 and 3.3; layer-wise decay, Clark et al. 2020, arXiv:2003.10555, appendix A.
    """
    parts = model.parts()
    lowest = first_moving(config.freeze, [name for name, _ in parts])
    decay = config.weight_decay if weight_decay is None else weight_decay
    found = [Group(model.network.head_parameters(), float(config.head_rate), config.weight_decay, "head of the task")]
    for depth, (name, parameters) in enumerate(reversed(parts[lowest:])):
        owners = {path: model.network.body.get_submodule(path.rpartition(".")[0]) for path in parameters}
        moving = [p for path, p in parameters.items() if moves is None or moves(path, owners[path])]
        if moving:
            rate = float(config.learning_rate) * config.layer_decay**depth
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


def held_back(view: TrainView, config: TuningConfig) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows to stop by, as `hold_back` says: of the latter there may be none."""
    if config.hold_back == "nothing":
        return np.arange(len(view)), np.arange(0)
    return validation_rows(view)


def held_losses(model: Model, view: TrainView, config: TuningConfig) -> FloatArray:
    """The losses (M,) of the items that training is stopped by: see `Balance.held_out_losses`."""
    _, stop = held_back(view, config)
    return _balance(view, config).held_out_losses(model.logits(view.items.take(stop)), view.labels[stop])


def learning_part(view: TrainView, config: TuningConfig) -> TrainView:
    """The view without the rows that stop training; the other folds stay, or are dealt anew where only one is left."""
    learn, stop = held_back(view, config)
    if not len(stop):
        return view
    part = view.subset(learn)
    if len(np.unique(part.folds[0])) > 1:
        return part
    folds = inner_folds(part.labels, part.groups, np.zeros(len(part), dtype=np.bool_), view.random.child("learn"))
    if len(np.unique(folds[0])) < 2:
        raise DataError(
            "Fine-tuning keeps one group of training items apart to stop by, and its probe needs two more.",
            hint="Add items of other groups, or use --method full-finetune or linear-probe.",
        )
    return replace(part, folds=folds)


def validate(model: Model, view: TrainView, config: TuningConfig) -> Solve:
    """The last phase: the logits of the held-back fold are the model's out-of-fold predictions."""

    def keep() -> None:
        _, stop = held_back(view, config)
        model.out_of_fold = None
        if len(stop):
            model.out_of_fold = np.full((len(view), view.n_classes), np.nan)
            model.out_of_fold[stop] = model.logits(view.items.take(stop))
        settled, told = settle(config, size_of(model, view, config))
        variation = _variation(model, view, settled)
        model.facts["augmenting"] = variation.facts
        model.facts["recipe"] = told | found_out(model, config, variation)
        model.facts["boundary"] = _boundary_facts(model, settled, variation)

    return Solve("validate", keep)


def place_probe(model: Model, view: TrainView, config: TuningConfig) -> None:
    """Give the network the head that a probe was solved for."""
    from keiki.nn.network import put_head

    if model.head is None:
        raise TrainingError("Fine-tuning wants to start from a probe, but the probe has left no head.")
    seen = model.features(learning_part(view, config).items) if model.network.neck.changes else None
    put_head(model.network, _balance(view, config).lifted(model.head), seen)


def _balance(view: TrainView, config: TuningConfig) -> Balance:
    learn, _ = held_back(view, config)
    return balance_of(config, view.labels[learn], view.target.classes)


def _note_balance(model: Model, view: TrainView, config: TuningConfig) -> None:
    model.facts["balance"] = _balance(view, config).to_json(view.target.classes)
