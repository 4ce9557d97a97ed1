"""Full fine-tuning: every weight moves, at a small rate, from the pretrained point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
from keiki.core import options
from keiki.core.errors import DataError
from keiki.core.options import Linear, Log, option
from keiki.data.task import Target, TrainView
from keiki.methods.base import METHODS, Descend, Group, Method, Model, Move, Phase, Solve
from keiki.methods.limits import refuse_outside
from keiki.nn.softmax import cross_entropy_per_item


@dataclass(frozen=True, kw_only=True)
class TuningConfig(options.Config):
    """What the gradient methods share."""

    epochs: int = option(10, "passes over the training items, at most", search=Linear(1, 50))
    learning_rate: float = option(1e-4, "peak rate of the pretrained weights (AdamW)", search=Log(1e-6, 1e-2))
    head_rate: float = option(1e-3, "peak rate of the head", search=Log(1e-5, 1e-1))
    weight_decay: float = option(0.01, "decoupled weight decay", search=Log(1e-6, 1.0))
    batch_size: int = option(32, "items a step", search=Linear(2, 256))
    warmup_ratio: float = option(0.1, "share of the steps in which the rate rises from 0", search=Linear(0.0, 0.5))
    label_smoothing: float = option(0.0, "share of the target that is spread over all classes", search=Linear(0.0, 0.5))
    patience: int = option(3, "epochs without a better validation loss before it stops", search=Linear(1, 20))
    clip_norm: float = option(1.0, "largest norm of the gradient; 0 does not clip", search=Linear(0.0, 10.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("epochs", "batch_size", "patience"):
            refuse_outside(self, name, 1)
        for name in ("learning_rate", "head_rate"):
            refuse_outside(self, name, 0, above=True)
        for name in ("weight_decay", "clip_norm"):
            refuse_outside(self, name, 0)
        for name in ("warmup_ratio", "label_smoothing"):
            refuse_outside(self, name, 0, 1)


@METHODS.add("full-finetune")
class FullFinetune(Method):
    """All weights follow the gradient of the cross-entropy, by AdamW with linear warm-up and cosine decay.

    One fold of the training items is held back; the state with its lowest log loss is kept (early stopping).
    Source: Yosinski et al. 2014, "How transferable are features in deep neural networks?", arXiv:1411.1792; AdamW:
    Loshchilov and Hutter 2019, arXiv:1711.05101. Deviation: the head learns at a rate of its own.
    """

    name = "full-finetune"
    family = "fine-tuning"
    paper = "arXiv:1411.1792"
    title = "full fine-tuning"
    quick = False
    gradient = True
    Config = TuningConfig

    def build(self, backbone: Backbone, target: Target, bank: FeatureBank) -> Model:
        return with_network(super().build(backbone, target, bank))

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield tune(model, view, self.config)
        yield Solve("validate", lambda: keep_validation_logits(model, view))


def with_network(model: Model) -> Model:
    """The model with a network of its own: the backbone's weights and a head of zeros."""
    from keiki.nn.network import BodyAndHead

    body = model.backbone.module()
    model.network = BodyAndHead(body, model.backbone.network_width, len(model.target.classes))
    return model


def validation_rows(view: TrainView) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from, and rows to stop by: the first fold of the first partition that is left in the view."""
    held = view.folds[0] == view.folds[0].min()
    if held.all():
        raise DataError(
            "Fine-tuning keeps some training items apart to stop by, but all of them lie in one group.",
            hint="Add items of other groups, or use --method linear-probe.",
        )
    return np.flatnonzero(~held), np.flatnonzero(held)


def tune(model: Model, view: TrainView, config: TuningConfig) -> Descend:
    """The descent on all weights of `model.network`."""
    from keiki.nn.network import cross_entropy, feed_logits

    network = model.network
    learn, stop = validation_rows(view)
    held = model.feed(view.items.take(stop), view.labels[stop], config.batch_size, shuffle=False)

    def validate() -> float:
        return float(cross_entropy_per_item(feed_logits(network, held, len(stop)), view.labels[stop]).mean())

    groups = [
        Group(list(network.body.parameters()), config.learning_rate, config.weight_decay),
        Group(list(network.head.parameters()), config.head_rate, config.weight_decay),
    ]
    return Descend(
        "tune",
        moves=[Move(cross_entropy(network, config.label_smoothing), groups)],
        epochs=config.epochs,
        feed=model.feed(view.items.take(learn), view.labels[learn], config.batch_size),
        validate=validate,
        patience=config.patience,
        warmup_ratio=config.warmup_ratio,
        clip_norm=config.clip_norm,
    )


def keep_validation_logits(model: Model, view: TrainView) -> None:
    """The logits of the held-back fold are the model's out-of-fold predictions."""
    _, stop = validation_rows(view)
    model.out_of_fold = np.full((len(view), view.n_classes), np.nan)
    model.out_of_fold[stop] = model.logits(view.items.take(stop))
