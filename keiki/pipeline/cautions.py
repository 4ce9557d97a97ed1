"""What the user should watch: found in the data and in the evidence, each with its remedy, the gravest first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keiki.data.doubles import is_of_leak
from keiki.data.language import reads
from keiki.data.task import Task
from keiki.evaluation.report import sentences, tongues, words
from keiki.pipeline import figures
from keiki.pipeline.findings import Cluster, Findings, GroupHint, Leak, Shift, Sizes

FEW_TO_LEARN = 10  # training items of a class
FEW_TO_JUDGE = 5  # test items of a class
MANY_LOOKS = 3
MANY_SMALL = 0.1  # share of pictures
MANY_CUT = 0.1  # share of texts
MANY_UNKNOWN = 0.02  # share of tokens; a vocabulary of word pieces knows nearly all of its own languages
FOREIGN = 0.2  # share of texts


def cautions(task: Task, looks: int | None, findings: Findings | None = None) -> list[dict[str, str]]:
    """All warnings of a run as {'what', 'remedy'}: what spoils the estimate, then what spoils the model, then hints."""
    found = findings or Findings()
    own = [each for each in task.warnings if found.leak is None or not is_of_leak(each)]
    noun = sentences.noun(task.modality)
    return [
        *(_leak(found.leak, noun) if found.leak else ()),
        *own,
        *_shift(found.shift),
        *_torn(task, found.clusters),
        *_unreadable(task),
        *_small_classes(task),
        *_language(found),
        *_worn(looks),
        *_suspects(found, noun),
        *_sizes(found.sizes, len(task.items)),
        *(each for hint in found.hints for each in _hint(hint, noun)),
    ]


def _leak(leak: Leak, noun: str) -> Iterator[dict[str, str]]:
    name, n = words.metric_title(leak.metric), len(leak.rows)
    with_them = words.score(figures.interval(leak.with_them), leak.metric)
    if leak.without_them is None:
        rest = "too few are left to say how it is without them"
    else:
        rest = f"without them {words.score(figures.interval(leak.without_them), leak.metric)}"
    are = "is an exact or near copy" if n == 1 else "are exact or near copies"
    yield {
        "what": f"{n} test {_some(n, noun)} {are} of training {noun}: {name} is {with_them} with them, {rest}.",
        "remedy": "Trust the figure without them, and remove them from one side.",
    }


def _shift(shift: Shift | None) -> Iterator[dict[str, str]]:
    if shift is not None and shift.shifted:
        yield {
            "what": f"Test and training items differ: a classifier tells them apart with ROC AUC "
            f"{words.decimal(shift.auc.value)} (at least {words.decimal(shift.auc.low)}; 0.5 = not at all).",
            "remedy": "Decide which of them are like the items to come; add training items of that kind.",
        }


def _torn(task: Task, clusters: tuple[Cluster, ...]) -> Iterator[dict[str, str]]:
    """Near copies under different labels; of exact copies the split has said so."""
    torn = [each for each in clusters if each.kind == "near" and len(set(task.labels[list(each.rows)].tolist())) > 1]
    if torn:
        row, other = _two_labels(task, torn[0])
        count = "1 set of near copies has" if len(torn) == 1 else f"{len(torn)} sets of near copies have"
        yield {
            "what": f"{count} different labels: '{task.items.ids[row]}' is {_class(task, row)}, "
            f"'{task.items.ids[other]}' {_class(task, other)}.",
            "remedy": "Look at them in the data section, and decide on one label where they show the same.",
        }


def _suspects(found: Findings, noun: str) -> Iterator[dict[str, str]]:
    n = found.n_suspects
    if n:
        have = "has a label" if n == 1 else "have labels"
        yield {
            "what": f"{n} {_some(n, noun)} {have} that the model doubts.",
            "remedy": "Look at the first of them in the report: some may be wrong, others are rare but right.",
        }


def _unreadable(task: Task) -> Iterator[dict[str, str]]:
    lost = [each for each in task.skipped if not each.foreign]
    if lost:
        first = "; ".join(f"{each.id}: {each.reason}" for each in lost[:3])
        more = f"; and {len(lost) - 3} more" if len(lost) > 3 else ""
        yield {
            "what": f"{len(lost)} of {len(task.items) + len(lost)} items could not be used ({first}{more}).",
            "remedy": "Repair or remove them; the data section lists them all.",
        }


def _small_classes(task: Task) -> Iterator[dict[str, str]]:
    noun = sentences.noun(task.modality)
    learn = np.bincount(
        np.concatenate([task.labels[task.train], task.labels[task.val]]), minlength=len(task.target.classes)
    )
    few = [_counted(task, c, learn) for c in np.argsort(learn, kind="stable").tolist() if learn[c] < FEW_TO_LEARN]
    if few:
        yield {
            "what": f"Classes with fewer than {FEW_TO_LEARN} {noun} to learn from: {_first(few)}.",
            "remedy": "Their results are guesses; add items of these classes first.",
        }
    if not len(task.test):
        return
    judge = np.bincount(task.labels[task.test], minlength=len(task.target.classes))
    thin = [_counted(task, c, judge) for c in range(len(judge)) if 0 < judge[c] < FEW_TO_JUDGE]
    if thin:
        yield {
            "what": f"Classes with fewer than {FEW_TO_JUDGE} test {noun}: {_first(thin)}.",
            "remedy": "Read their own figures with care; the totals are sound.",
        }


def _language(found: Findings) -> Iterator[dict[str, str]]:
    language = found.language
    if language is None:
        return
    known = {c: s for c, s in language.languages.items() if c != tongues.SPEECHLESS}
    foreign = {c: s for c, s in known.items() if not reads(language.backbone_language, c)}
    unknown = language.unknown_tokens > MANY_UNKNOWN
    speechless = language.languages.get(tongues.SPEECHLESS, 0.0)
    if speechless > FOREIGN:
        yield {
            "what": f"{words.percent(speechless)} of the texts are in no language that could be told (codes, numbers, "
            "names), while the backbone was trained on sentences.",
            "remedy": "Look whether the right column was taken; for codes the model without pretraining may be best.",
        }
    strange = sum(foreign.values()) > FOREIGN
    if strange or unknown:
        said = [f"many texts are in a language that it was not trained on ({tongues.shares(foreign)})"] * strange
        said += [f"it has no piece for {words.percent(language.unknown_tokens)} of the tokens"] * unknown
        yield {
            "what": f"The backbone was trained on {language.backbone_language or 'unknown languages'}: "
            f"{' and '.join(said)}.",
            "remedy": "Try a multilingual model: --backbone hf:ID.",
        }
    if language.truncated > MANY_CUT:
        yield {
            "what": f"{words.percent(language.truncated)} of the texts are longer than the {language.limit} tokens "
            f"that the backbone reads (the longest has {language.longest}); the rest of them is not seen.",
            "remedy": "Put what matters first, or name a backbone for longer texts: --backbone hf:ID.",
        }


def _sizes(sizes: Sizes | None, n: int) -> Iterator[dict[str, str]]:
    if sizes is not None and sizes.n_small > MANY_SMALL * n:
        (width, height), are = sizes.smallest, words.verb(sizes.n_small, "is", "are")
        yield {
            "what": f"{sizes.n_small} of {words.of(n, 'pictures')} {are} smaller than half of what the backbone takes "
            f"in ({sizes.input_side} pixels; the smallest has {width} x {height}).",
            "remedy": "Give the originals if there are larger ones; enlarging these adds nothing.",
        }


def _worn(looks: int | None) -> Iterator[dict[str, str]]:
    if looks is not None and looks > MANY_LOOKS:
        yield {
            "what": f"This test set has been looked at {looks} times.",
            "remedy": "Choices made after looking flatter the figure; take a fresh test set for the final one.",
        }


def _hint(hint: GroupHint, noun: str) -> Iterator[dict[str, str]]:
    how = f"Column '{hint.name}'" if hint.how == "column" else hint.name[:1].upper() + hint.name[1:]
    told = f" ({', '.join(hint.examples)})" if hint.examples else ""
    remedy = (
        f"If they do, run again with {hint.option}."
        if hint.option
        else "If they do, give a table with a column that names their group, and --group COLUMN."
    )
    yield {
        "what": f"{how} suggests {hint.n_groups} groups of {noun} that may belong together{told}; the estimate is too "
        "good if they do and new ones will not.",
        "remedy": remedy,
    }


def _two_labels(task: Task, cluster: Cluster) -> tuple[int, int]:
    first = cluster.rows[0]
    return first, next(row for row in cluster.rows if task.labels[row] != task.labels[first])


def _class(task: Task, row: int) -> str:
    return f"'{task.target.classes[task.labels[row]]}'"


def _some(n: int, noun: str) -> str:
    return words.singular(noun) if n == 1 else noun


def _counted(task: Task, c: int, counts: np.ndarray) -> str:
    return f"'{task.target.classes[c]}' ({counts[c]})"


def _first(texts: list[str]) -> str:
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")
