"""What a run tells of fine-tuning: what moved, what it cost, and what it brought beside the linear probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keiki.data.task import Items, Task, TrainView
from keiki.evaluation.report import moved as parts
from keiki.evaluation.report import words
from keiki.evaluation.report.part import Interval
from keiki.methods.base import FloatArray, make
from keiki.methods.tuning import kept_epoch
from keiki.nn.temperature import calibrated_losses
from keiki.pipeline.estimate import Estimate
from keiki.selection.budget import gain_lower_bound
from keiki.selection.select import Selection
from keiki.selection.workshop import Outcome, Workshop

PROBE = "linear-probe"
OUTSIDE = "beside the stages"  # what `keiki.training.movement` calls what is no part of the pretrained network
STOPPED = {"time": "budget"}  # what the trainer calls an end otherwise than we do
KEPT = ("frozen", "recipe", "boundary", "preferred")  # facts of a method that are told as they are
SCALAR = str | int | float | bool | None


def tuned(final: Selection) -> Outcome | None:
    """The shipped outcome, else the best of those that use pretrained knowledge, where it was trained by gradients."""
    for name in (final.winner, final.transfer):
        outcome = final.outcomes[name]
        if outcome.method.gradient and "control" not in outcome.method.tags:
            return outcome
    return None


def block(final: Selection, shop: Workshop) -> dict[str, Any]:
    """{"training": ...} for run.json; empty where nothing was trained by gradients. What is not known is left out."""
    outcome = tuned(final)
    if outcome is None:
        return {}
    facts = outcome.facts
    found = {
        "method": outcome.method.name,
        **_course(outcome),
        "seconds_in_all": shop.seconds.get(outcome.method.name),
        "trained_parameters": outcome.trained_parameters,
        "trainable_share": facts.get("trainable"),
        "merged": facts.get("merged"),
        **{name: facts.get(name) for name in KEPT},
        "stages": facts.get("movement", {}).get("stages"),
    }
    return {"training": {name: value for name, value in found.items() if value is not None}}


def told(shop: Workshop, task: Task, estimate: Estimate) -> parts.Moved | None:
    """The part of the report; None where nothing was trained by gradients, or it was not kept what moved."""
    final = estimate.final
    outcome = tuned(final)
    if outcome is None or "movement" not in outcome.facts:
        return None
    found = block(final, shop)["training"]
    *stages, head = found["stages"]
    pieces = tuple(_piece(stage) for stage in stages if stage["name"] != OUTSIDE)
    return parts.Moved(
        method=outcome.method.title,
        shipped=outcome.method.name == final.winner,
        pieces=pieces,
        n_moved=sum(not piece.still for piece in pieces),
        head=head["parameters"],
        fitted=found["trained_parameters"],
        share=found["trainable_share"],
        merged=bool(found.get("merged")),
        seconds=found["seconds"],
        descending=found.get("seconds_of_steps"),
        in_all=found.get("seconds_in_all"),
        epochs=found["epochs"],
        steps=found.get("steps", 0),
        again_epochs=found.get("again", {}).get("epochs", 0),
        again_steps=found.get("again", {}).get("steps", 0),
        stopped=found.get("stopped", ""),
        frozen=_still(found.get("frozen")),
        recipe=tuple(_choice(name, chosen) for name, chosen in found.get("recipe", {}).items()),
        pace=_plain(found.get("pace")),
        boundary=_plain(found.get("boundary")),
        probe_kept=found.get("preferred") == "probe",
        probe=beside_probe(shop, task.training_view(), task.items.take([]), final, outcome),
    )


def cautions(final: Selection) -> list[dict[str, str]]:
    """Warnings of a run as {'what', 'remedy'}: what ships was to be fine-tuned, but is not, or not for long."""
    outcome = final.outcomes[final.winner]
    curves = outcome.facts.get("curves", [])
    if tuned(final) is not outcome or not curves:
        return []
    found = []
    if outcome.facts.get("preferred") == "probe" or _stayed(outcome.facts):
        found.append(
            {
                "what": "Training has brought nothing on the items that were kept apart: what you have is the network "
                "as it was before, with the head that it began with.",
                "remedy": "Lower learning_rate, or take --method linear-probe, which costs a fraction of it.",
            }
        )
    if curves[-1]["ended"] == "time":
        length = words.of(sum(each["steps"] for each in curves), "steps")
        found.append(
            {
                "what": f"Training was cut short by --budget, after {length}.",
                "remedy": "Give it more time, or freeze more stages.",
            }
        )
    return found


def _stayed(facts: dict[str, Any]) -> bool:
    """Whether the descent that counts was best where it began."""
    first = [each for each in facts["curves"] if not each.get("again")]
    telling = next((each for each in first if each["phase"] == facts.get("ships")), first[-1])
    return kept_epoch(telling) == 0


@dataclass(frozen=True)
class Gain:
    """Mean of the probe's log loss less that of the tuned network on the same n items, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def beside_probe(shop: Workshop, view: TrainView, nobody: Items, final: Selection, outcome: Outcome) -> parts.Probe:
    """The linear probe beside the tuned network, on the training items that neither had learned from.

    A network that was cross-fitted has answered all of them, and so has the probe. One that was asked for has answered
    the fold that it stopped by: a probe is fitted to the other folds, as it was, and answers the same. Its features are
    there, and what it solves is remembered.
    """
    held = np.flatnonzero(np.isfinite(outcome.out_of_fold).all(axis=1))
    rest = np.setdiff1d(np.arange(len(view)), held)
    if not len(held) or (len(rest) and len(np.unique(view.folds[0][rest])) < 2):
        return parts.Probe(seconds=_probe(shop, view, nobody, final).seconds)
    if len(rest):
        probe = shop.outcome(make(PROBE), view.subset(rest), view.items.take(held))
        answers = np.full(outcome.out_of_fold.shape, np.nan)
        answers[held] = probe.test
    else:
        probe = _probe(shop, view, nobody, final)
        answers = probe.out_of_fold
    found = gain(answers, outcome.out_of_fold, view)
    if found is None:
        return parts.Probe(seconds=probe.seconds)
    between = Interval(value=found.value, low=found.low, high=found.high)
    return parts.Probe(seconds=probe.seconds, gain=between, n=found.n, flattered=len(rest) > 0)


def _probe(shop: Workshop, view: TrainView, nobody: Items, final: Selection) -> Outcome:
    return final.outcomes.get(PROBE) or shop.outcome(make(PROBE), view, nobody)


def gain(probe: FloatArray, network: FloatArray, view: TrainView) -> Gain | None:
    """What the network gains on the probe by their out-of-fold logits (N, C), on the items that both have answered.

    Both are calibrated on these same items: a temperature from fewer would be more careful, and that is no merit of
    either. Whole groups are the units; None where there are fewer than two.
    """
    rows = np.flatnonzero(np.isfinite(probe).all(axis=1) & np.isfinite(network).all(axis=1))
    labels, groups = view.labels[rows], view.groups[rows]
    if len(np.unique(groups)) < 2:
        return None
    gains = calibrated_losses(probe[rows], labels) - calibrated_losses(network[rows], labels)
    low, value = gain_lower_bound(gains, groups), float(gains.mean())
    return Gain(value, low, 2 * value - low, len(rows))


def _course(outcome: Outcome) -> dict[str, Any]:
    """How long it trained, why it stopped, and how steps were computed: over all descents, the last one's last.

    `again` holds the length of what was trained once more on all items.
    """
    curves = outcome.facts.get("curves", [])
    last = curves[-1] if curves else {}
    ended = str(last.get("ended", "")) or None
    again = _length([each for each in curves if each.get("again")])
    return {
        "seconds": outcome.seconds,
        "seconds_of_steps": sum(each["seconds"] for each in curves) if "seconds" in last else None,
        **_length([each for each in curves if not each.get("again")]),
        "again": again if again["epochs"] else None,
        "stopped": STOPPED.get(ended, ended) if ended else None,
        "pace": last.get("pace"),
    }


def _length(curves: list[dict[str, Any]]) -> dict[str, Any]:
    """Epochs that have begun, and steps where they are known."""
    return {
        "epochs": sum("train_loss" in line for each in curves for line in each["epochs"]),
        "steps": sum(each["steps"] for each in curves) if curves and "steps" in curves[-1] else None,
    }


def _piece(stage: dict[str, Any]) -> parts.Piece:
    names = ("name", "parameters", "moving", "added", "relative", "statistics")
    return parts.Piece(**{name: stage[name] for name in names})


def _still(frozen: dict[str, Any] | None) -> parts.Still | None:
    if frozen is None:
        return None
    before, after = frozen["digest_before"], frozen["digest_after"]
    return parts.Still(tensors=frozen["tensors"], parameters=frozen["parameters"], before=before, after=after)


def _choice(option: str, chosen: dict[str, Any]) -> parts.Choice:
    value = chosen.get("value")
    return parts.Choice(
        option=option, value=value if isinstance(value, SCALAR) else str(value), why=chosen.get("why", "")
    )


def _plain(facts: dict[str, Any] | None) -> dict[str, parts.Plain]:
    """What of the facts can stand in one line."""
    return {name: value for name, value in (facts or {}).items() if isinstance(value, SCALAR)}
