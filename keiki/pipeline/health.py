"""What is wrong with the data, or could be: everything of `Findings`, from what a fit has already computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from keiki.backbones.base import Backbone, Features
from keiki.backbones.features import FeatureBank
from keiki.core.random import Randomness
from keiki.data.facts import Fact
from keiki.data.hints import LIFT, Hint, by_burst, by_column, by_prefix, lift, parted
from keiki.data.language import languages, reading
from keiki.data.near import Alike
from keiki.data.task import Items, Task
from keiki.data.transforms.image import ImageTransform
from keiki.data.transforms.text import TokenTransform
from keiki.data.vectors import repeats_by_chance
from keiki.evaluation.leaks import without
from keiki.evaluation.protocol import dependent
from keiki.evaluation.shift import FEWEST as FEWEST_A_SIDE
from keiki.evaluation.shift import sampled, two_sample
from keiki.evaluation.suspects import doubtful
from keiki.nn.temperature import fit_temperature, with_temperature
from keiki.pipeline.estimate import SHIPPED, Estimate
from keiki.pipeline.evidence import Evidence
from keiki.pipeline.findings import Cluster, Findings, GroupHint, Language, Leak, Shift, Sizes, Suspect
from keiki.selection.select import Selection

LISTED = 100  # suspects that are listed
TOO_MANY = 0.2  # share of doubtful labels from which the model is to be doubted instead
TEXTS = 500  # that the language is told from
COMPARED = 2000  # items that hints are checked on
SMALL, LARGE = 0.5, 8.0  # of the side that the backbone takes in


def examine(
    task: Task,
    alike: Alike,
    estimate: Estimate,
    evidence: Evidence,
    bank: FeatureBank,
    backbone: Backbone,
    random: Randomness,
) -> Findings:
    """Everything that was found in the data of a fit.

    alike: what `prepare.look` found before the split. Costs about a second at 1,000 items, since facts and features are
    there.
    """
    streams = random.child("health")
    facts = bank.facts(task.items, thumbnails=False) if task.modality == "image" else []
    suspects, n_suspects, doubts = find_suspects(task, estimate.final)
    shift, said = find_shift(task, bank, backbone, streams.numpy("shift"))
    return Findings(
        clusters=find_clusters(task, alike),
        leak=find_leak(task, alike, estimate, evidence, streams.numpy("leak")),
        suspects=suspects,
        n_suspects=n_suspects,
        shift=shift,
        hints=find_hints(task, facts, bank, backbone, streams.numpy("hints")),
        language=find_language(task, backbone, streams.numpy("language")),
        sizes=find_sizes(facts, backbone),
        notes=tuple(note for note in (_left_apart(alike), doubts, said) if note),
    )


def find_clusters(task: Task, alike: Alike) -> tuple[Cluster, ...]:
    """Sets of exact and near copies, the largest first."""
    rows: dict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(_copies(task.items, alike)):
        rows[key].append(row)
    found = []
    for key, members in rows.items():
        contents = {task.items.digests[row] for row in members}
        if len(contents) > 1 and isinstance(key, int):
            found.append(Cluster(tuple(members), "near", alike.similarity[key]))
        elif len(members) > 1:
            found.append(Cluster(tuple(members), "exact", 1.0))
    return tuple(sorted(found, key=lambda each: (-len(each.rows), each.rows)))


def find_leak(
    task: Task, alike: Alike, estimate: Estimate, evidence: Evidence, rng: np.random.Generator
) -> Leak | None:
    """Test items of a given split with a copy among the training items; None where there are none."""
    if task.protocol != "given":
        return None
    keys = _copies(task.items, alike)
    learned = {keys[row] for row in (*task.train.tolist(), *task.val.tolist())}
    rows = [row for row in task.test.tolist() if keys[row] in learned]
    if not rows:
        return None
    left = without(
        evidence.metric,
        estimate.labels,
        estimate.probabilities[SHIPPED],
        np.isin(estimate.positions, rows),
        rng=rng,
        groups=dependent(estimate.groups),
    )
    return Leak(tuple(rows), evidence.metric.name, evidence.score, left)


def find_suspects(task: Task, final: Selection) -> tuple[tuple[Suspect, ...], int, str]:
    """Doubtful labels among the training items (the first LISTED), how many there are, and why none are shown."""
    view = task.training_view()
    places = np.sort(np.concatenate([task.train, task.val]))  # of the view's rows in the task
    logits = final.outcomes[final.winner].out_of_fold
    known = np.flatnonzero(np.isfinite(logits).all(axis=1))
    if len(known) < len(view) / 2:
        return (), 0, "Labels were not doubted: the shipped model has not answered for most training items unseen."
    labels, logits = view.labels[known], logits[known]
    scores = with_temperature(logits, fit_temperature(logits, labels, unseen=0))  # as sure as it was, not more careful
    rows = doubtful(labels, scores)
    if len(rows) > TOO_MANY * len(known):
        share = len(rows) / len(known)
        return (), 0, f"Labels were not doubted: the model disagrees with {share:.0%} of them, too many to trust it."
    found = tuple(
        Suspect(
            row=int(places[known[row]]),
            given=int(labels[row]),
            suggested=int(scores[row].argmax()),
            score=float(scores[row, labels[row]]),
        )
        for row in rows[:LISTED].tolist()
    )
    return found, len(rows), ""


def find_shift(task: Task, bank: FeatureBank, backbone: Backbone, rng: np.random.Generator) -> tuple[Shift | None, str]:
    """Whether test items differ from training items, or why that was not looked for."""
    if task.protocol == "nested" or (task.protocol == "held-out" and task.times is None):
        return None, ""  # drawn by chance from the same items
    learned = sampled(np.sort(np.concatenate([task.train, task.val])), rng)
    judged = sampled(task.test, rng)
    found = two_sample(
        features_of(task.items.take(learned), bank, backbone),
        features_of(task.items.take(judged), bank, backbone),
        task.groups[learned],
        task.groups[judged],
        rng,
    )
    if found is None:
        return None, f"Shift between training and test items was not looked for: it takes {FEWEST_A_SIDE} of each."
    return Shift(found.auc, found.n_train, found.n_test, found.shifted), ""


def find_hints(
    task: Task,
    facts: Sequence[Fact],
    bank: FeatureBank,
    backbone: Backbone,
    rng: np.random.Generator,
) -> tuple[GroupHint, ...]:
    """Groups that suggest themselves where the user named none.

    Names and bursts are told only if their items are alike beyond their class, by the backbone's features.
    """
    if task.declared is not None:
        return ()
    labels = [task.target.classes[c] for c in task.labels]
    hints = guessed_hints(task, labels, [fact.taken for fact in facts])
    alike = [hint for hint in hints if _is_alike(hint, task, bank, backbone, rng)]
    return (*(told(hint, task.items.ids) for hint in alike), *column_hints(task))


def guessed_hints(task: Task, labels: Sequence[str], taken: Sequence[str]) -> list[Hint]:
    """What names and times of exposure suggest beyond what is kept together anyway; nothing is checked yet."""
    ids = task.items.ids
    found = [by_prefix(ids, labels), by_burst(ids, taken, labels) if taken else None]
    return [hint for each in found if (hint := parted(each, task.groups.tolist()))]


def column_hints(task: Task) -> tuple[GroupHint, ...]:
    """Columns of the tables that the items are from which look like ids of something."""
    found = []
    for name, cells in task.spare.items():
        rows = [row for row, cell in enumerate(cells) if cell is not None]
        names = [task.items.ids[row] for row in rows]
        keys = {name: [cells[row] or "" for row in rows]}
        kept = task.groups[rows].tolist()
        hints = by_column(keys, task.labels[rows].tolist())
        found += [told(hint, names) for each in hints if (hint := parted(each, kept))]
    return tuple(found)


def find_language(task: Task, backbone: Backbone, rng: np.random.Generator) -> Language | None:
    """How the backbone reads a sample of the texts; None for other items."""
    transform = None if backbone.direct else backbone.transform
    if task.modality != "text" or not isinstance(transform, TokenTransform):
        return None
    n = len(task.items)
    rows = np.arange(n) if n <= TEXTS else np.sort(rng.choice(n, TEXTS, replace=False))
    texts = [str(task.items.raws[row]) for row in rows.tolist()]
    found = reading(transform, texts)
    return Language(
        unknown_tokens=found.unknown_tokens,
        truncated=found.truncated,
        longest=found.longest,
        limit=found.limit,
        languages=languages(texts),
        backbone_language=backbone.card.language,
    )


def find_sizes(facts: Sequence[Fact], backbone: Backbone) -> Sizes | None:
    """Pictures that are far smaller or larger than what the backbone takes in; None for other items."""
    transform = None if backbone.direct else backbone.transform
    if not facts or not isinstance(transform, ImageTransform):
        return None
    sides = np.array([min(fact.width, fact.height) for fact in facts])
    least, most = facts[int(sides.argmin())], facts[int(sides.argmax())]
    return Sizes(
        input_side=transform.size,
        n_small=int((sides < SMALL * transform.size).sum()),
        n_large=int((sides > LARGE * transform.size).sum()),
        smallest=(least.width, least.height),
        largest=(most.width, most.height),
    )


def features_of(items: Items, bank: FeatureBank, backbone: Backbone) -> Features:
    """Features (n, D) as the backbone gives them by default; rows of numbers as they are."""
    if items.modality == "vector":
        return np.stack([np.asarray(raw, dtype=np.float32) for raw in items.raws])
    return bank.extract(backbone, items)


def _copies(items: Items, alike: Alike) -> list[Hashable]:
    """For each item the number of its set of near copies, or else its content; rows that are equal by chance differ."""
    if repeats_by_chance(items):
        return [f"{row} alone" for row in range(len(items))]
    return [alike.keys.get(content, content) for content in items.digests]


def _left_apart(alike: Alike) -> str:
    n = alike.left_apart
    pairs = "One pair" if n == 1 else f"{n:,} pairs"
    left = "was left" if n == 1 else "were left"
    return f"{pairs} of near copies {left} apart, because too much would hang together otherwise." if n else ""


def _is_alike(hint: Hint, task: Task, bank: FeatureBank, backbone: Backbone, rng: np.random.Generator) -> bool:
    """Whether the groups of a hint show in the features, on whole groups drawn by chance; hidden test labels aside."""
    judged = set(task.test.tolist())
    members: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(hint.keys):
        if key is not None and row not in judged:
            members[key].append(row)
    names = list(members)
    rows: list[int] = []
    for at in rng.permutation(len(names)).tolist():
        if len(rows) + len(members[names[at]]) > COMPARED:
            break
        rows += members[names[at]]
    if len(rows) < 2:
        return False
    features = features_of(task.items.take(rows), bank, backbone)
    return lift(features, task.labels[rows].tolist(), tuple(hint.keys[row] for row in rows)) >= LIFT


def told(hint: Hint, names: Sequence[str]) -> GroupHint:
    """A hint as it is shown; names (N,): of the items."""
    option = f"--group {_quoted(hint.name)}" if hint.how == "column" else ""
    return GroupHint(hint.how, hint.name, hint.n_groups, hint.n_items, hint.examples(names), option)


def _quoted(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else f"'{name}'"


__all__ = [
    "examine",
    "features_of",
    "find_clusters",
    "find_hints",
    "find_language",
    "find_leak",
    "find_shift",
    "find_sizes",
    "find_suspects",
    "guessed_hints",
]
