"""The linear probe: one frozen pass, then a convex head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keiki.core import options
from keiki.core.errors import UnknownName
from keiki.core.options import option
from keiki.data.task import TrainView
from keiki.methods.base import METHODS, Method, Model, Phase, Solve
from keiki.methods.limits import refuse_outside
from keiki.nn.logistic_path import cross_validate_logistic
from keiki.nn.views import best_view

RANKING_ITEMS = 256  # views are ranked on at most so many training items: one shard


@METHODS.add("linear-probe")
class LinearProbe(Method):
    """Multinomial logistic regression on frozen, standardised features.

    minimise  mean_i -log softmax(W z_i + b)[y_i] + penalty / 2 * |W|^2,   z = (features - mean) / scale

    The way of preparing an item (squash, crop, pad; input size) is ranked by ridge regression on a sample, the
    penalty chosen by cross-validation; both inside the training data, both by one standard error of the paired
    difference. Source: the linear evaluation protocol, Kornblith et al. 2019, "Do Better ImageNet Models Transfer
    Better?", arXiv:1805.08974, section 3. Deviation: the penalty path is warm-started from ridge regression.
    """

    name = "linear-probe"
    family = "feature extraction"
    paper = "arXiv:1805.08974"
    title = "linear probe"
    modalities = frozenset({"image", "text", "vector"})

    @dataclass(frozen=True, kw_only=True)
    class Config(options.Config):
        view: str = option("auto", "how items are prepared: auto, or a name from `keiki backbones NAME`")
        penalty: float = option(0.0, "strength of the ridge penalty on the head; 0 chooses it by cross-validation")

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_outside(self, "penalty", 0)

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield Solve("view", lambda: choose_view(model, view, self.config.view))
        yield Solve("head", lambda: solve_head(model, view, self.config.penalty))


def choose_view(model: Model, view: TrainView, wanted: str) -> None:
    """Set `model.transform_name`: the wanted one, or the best on a sample of the training items.

    A backbone that is fitted to the data looks at the training items first, and at no others.
    """
    model.backbone = model.backbone.fitted(view.items.raws)
    names = list(model.backbone.transforms())
    if wanted != "auto":
        if wanted not in names:
            raise UnknownName("view", wanted, names)
        model.transform_name = wanted
        return
    if len(names) == 1:
        model.transform_name = names[0]
        return
    rows = model.bank.sample(view.items, RANKING_ITEMS)
    sample = view.items.take(rows)
    candidates = {name: model.bank.extract(model.backbone, sample, name) for name in names}
    ranking = best_view(candidates, view.labels[rows], view.n_classes, view.folds[0][rows])
    model.transform_name = ranking.chosen
    model.facts["views"] = ranking.to_json()


def solve_head(model: Model, view: TrainView, penalty: float = 0.0) -> None:
    """Fit the head on frozen features and keep its out-of-fold logits; penalty 0 chooses it by cross-validation."""
    penalties = np.array([penalty]) if penalty else None
    path = cross_validate_logistic(model.features(view.items), view.labels, view.n_classes, view.folds, penalties)
    model.head = path.head
    model.out_of_fold = path.chosen_logits
    model.facts.setdefault("paths", []).append(
        {
            "view": model.transform_name,
            "penalties": path.penalties.tolist(),
            "log_loss": path.mean_losses.tolist(),
            "standard_error": (path.losses.std(axis=1, ddof=1) / np.sqrt(len(view))).tolist(),
            "chosen": path.penalty,
        }
    )
