"""Whether pictures may be mirrored: asked of the names of the classes, then of the pictures themselves.

The check: a linear head on frozen features is fitted twice in cross-validation, to the training pictures, and to those
and their mirror images under the same labels. If the second does worse on held-out pictures as they are, mirroring
teaches what is wrong: a left arrow's mirror image lies where right arrows lie. Where a class is told by something else,
the mirror images are as good as further pictures, and the second does no worse.

A frozen network that cannot tell left from right sees no harm in flips; then only the names of the classes can.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from keiki.backbones.base import Backbone, Stage
from keiki.core.options import Config
from keiki.data.augment.orientation import Flips, by_names
from keiki.data.task import Index, TrainView
from keiki.data.transforms.base import Array, Transform
from keiki.data.transforms.flipped import FlippedTransform
from keiki.data.transforms.image import ImageTransform
from keiki.methods.base import Model
from keiki.nn.ridge import ridge_path
from keiki.nn.standardise import DenseFeatures
from keiki.nn.views import PENALTIES

if TYPE_CHECKING:
    from torch import nn

CHECKED = 512  # training items at most: two shards
ERROR = 0.05  # chance that harmless flips are called harmful, over all that is tested
HARM = 1.05  # squared error with mirror images over that without, from which it matters
FEWEST = 8  # groups of items of a class, below which it is not tested alone
FACT = "flips"

Floats = npt.NDArray[np.float64]


def check_flips(model: Model, view: TrainView) -> None:
    """Keep in `model.facts` whether pictures may be mirrored; changes nothing else. A Solve phase calls it."""
    if view.items.modality == "image":
        model.facts[FACT] = _found(model, view).to_json()


def flips_of(model: Model) -> Flips | None:
    """What `check_flips` has found; None where it was not asked."""
    kept = model.facts.get(FACT)
    return None if kept is None else Flips(**kept)


def may_be_mirrored(model: Model, config: Config) -> bool | None:
    """What a bundle keeps: as the user said by the option `flip`, else as was found; None where nobody asked."""
    wanted = getattr(config, "flip", "auto")
    if wanted != "auto":
        return bool(wanted == "horizontal")
    found = flips_of(model)
    return None if found is None else found.allowed


def _found(model: Model, view: TrainView) -> Flips:
    named = by_names(view.target.classes)
    transform = model.backbone.transforms()[model.transform_name]
    if not named.allowed or not isinstance(transform, ImageTransform):
        return named
    rows = model.bank.sample(view.items, CHECKED)
    some = view.items.take(rows)
    mirrored = Mirrored(model.backbone, transform)
    return by_features(
        model.bank.extract(model.backbone, some, model.transform_name),
        model.bank.extract(mirrored, some),
        view.labels[rows],
        view.folds[0][rows],
        view.target.classes,
        view.groups[rows],
    )


def by_features(
    plain: DenseFeatures,
    mirrored: DenseFeatures,
    labels: Index,
    folds: Index,
    classes: tuple[str, ...],
    groups: Index | None = None,
) -> Flips:
    """What frozen features of pictures (N, D) and of their mirror images (N, D) say; labels, folds, groups (N,).

    Per item, the squared error of one-hot targets out of fold with mirror images less that without. Flips are called
    harmful where its mean over all items, or over those of one class, lies above 0 by a one-sided t-test between groups
    (5 % in all, Bonferroni) and the error is at least 1.05 times as large.
    """
    if len(np.unique(folds)) < 2:
        return Flips(True, "too few pictures to check what mirroring does")
    targets = np.eye(len(classes))[labels]
    both = _errors(np.concatenate([plain, mirrored]), np.concatenate([targets, targets]), np.tile(folds, 2), len(plain))
    alone = _errors(plain, targets, folds, len(plain))
    groups = np.arange(len(labels)) if groups is None else groups
    alone_too = [c for c in range(len(classes)) if len(np.unique(groups[labels == c])) >= FEWEST]
    tested = [np.ones(len(labels), dtype=np.bool_), *(labels == c for c in alone_too)]
    names = ["all classes", *(f"the class '{classes[c]}'" for c in alone_too)]
    for name, rows in zip(names, tested, strict=True):
        harm = both[rows].mean() / max(alone[rows].mean(), 1e-12)
        if harm >= HARM and chance(both[rows] - alone[rows], groups[rows]) < ERROR / len(tested):
            return Flips(False, f"learning from mirror images makes the error on {name} {harm:.2f} times as large")
    return Flips(True, "learning from mirror images does not make a linear head worse")


def _errors(rows: DenseFeatures, targets: Floats, folds: Index, n: int) -> Floats:
    """Squared errors of the first n rows, out of fold, at the penalty that is best for them."""
    path = ridge_path(rows, targets, PENALTIES * rows.shape[1], folds)
    errors = np.square(path.scores[:, :n] - targets[:n]).sum(axis=2)
    return np.asarray(errors[errors.mean(axis=1).argmin()])


def chance(differences: Floats, groups: Index) -> float:
    """One-sided p-value of a mean above 0, by Student's t on the sums of groups; 1 where there is but one group."""
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=differences)
    spread = sums.std(ddof=1) if len(sums) > 1 else 0.0
    if spread == 0:
        return 1.0
    from scipy.stats import t

    return float(t.sf(sums.mean() / (spread / np.sqrt(len(sums))), len(sums) - 1))


@dataclass
class Mirrored(Backbone):
    """`inner` on mirrored pictures: the same network behind one other transform."""

    inner: Backbone
    plain: ImageTransform

    def __post_init__(self) -> None:
        self.card = self.inner.card

    def transforms(self) -> dict[str, Transform]:
        return {"mirrored": FlippedTransform(self.plain)}

    @property
    def network_width(self) -> int:
        return self.inner.network_width

    def module(self) -> nn.Module:
        return self.inner.module()

    def stages(self) -> tuple[Stage, ...]:
        return self.inner.stages()

    def examples(self, transform: Transform) -> tuple[dict[str, Array], dict[str, Array]]:
        return self.inner.examples(self.plain)

    def graph(self, transform: Transform, folder: Path) -> Path | None:
        return self.inner.graph(self.plain, folder)

    def matrix(self, raws: Any) -> Any:
        return self.inner.matrix(raws)
