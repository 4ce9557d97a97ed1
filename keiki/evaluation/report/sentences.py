"""The words of the report and of the last lines of `keiki fit`: pure functions from report parts to sentences.

One home for every phrase that judges, so that page, terminal and model card cannot disagree.
"""

from __future__ import annotations

from keiki.evaluation.report import advice, words
from keiki.evaluation.report.schema import Headline, Report, Task, Transfer, Usability, Warning

NOUNS = {"image": "pictures", "text": "texts", "audio": "sounds", "vector": "rows"}


def noun(modality: str, *, photographs: bool = False) -> str:
    """The plural word for the items: photos only where they are known to come from a camera.

    >>> noun("image"), noun("image", photographs=True), noun("table")
    ('pictures', 'photos', 'items')
    """
    return "photos" if modality == "image" and photographs else NOUNS.get(modality, "items")


def figure(headline: Headline) -> str:
    """The one figure: '89 %' for accuracy, '0.84' for macro F1."""
    return words.score(headline.score, headline.metric)


def figure_means(headline: Headline, noun: str) -> str:
    """What the figure is a figure of: 'right on photos it never saw'."""
    where = f"{noun} held out in turn" if _is_procedure(headline) else f"{noun} it never saw"
    if headline.domain == "target":
        where = f"{where}, from the target domain"
    is_accuracy = words.metric_key(headline.metric) == "accuracy"
    return f"right on {where}" if is_accuracy else f"{words.metric_title(headline.metric)} on {where}"


def headline(headline: Headline, noun: str) -> str:
    """How good, in one line.

    >>> from keiki.evaluation.report.schema import Interval
    >>> headline(Headline(metric="accuracy", score=Interval(value=0.8875, low=0.8, high=0.94), n=80), "photos")
    '89 % right on photos it never saw (80–94 %, 80 items)'
    """
    ranges = f"({words.limits(headline.score, headline.metric)}, {words.of(headline.n, 'items')})"
    line = f"{figure(headline)} {figure_means(headline, noun)} {ranges}"
    return f"{line}; an estimate of the procedure" if _is_procedure(headline) else line


def estimate(headline: Headline, task: Task) -> str:
    """How the figure was measured, and how often this test set has been looked at."""
    if _is_procedure(headline):
        return _procedure(headline, task)
    kind = "given" if task.split == "given" else "held-out"
    same = f"another domain than the training {task.noun}" if headline.domain == "target" else "the same source"
    first = f"Measured on {words.count(headline.n)} {kind} test {_plural(headline.n, task.noun)} from {same}."
    return f"{first} {looks(headline.looks)}".strip()


def looks(looks: int | None) -> str:
    """How often a test set was used, and what that does to the figure."""
    if looks is None:
        return ""
    if looks == 1:
        return "This test set was used once, after every choice had been made."
    return f"This test set has been looked at {looks} times, so the figure may flatter."


def usability(usability: Usability | None, noun: str) -> str:
    """Can I use it: what is accepted unseen and what a person must check.

    >>> from keiki.evaluation.report.schema import Interval
    >>> usability(Usability(asked_accuracy=0.95, threshold=0.7, accepted=Interval(value=0.74, low=0.63, high=0.82),
    ...     n_accepted=59, to_check=0.26, n_to_check=21), "photos")
    'accept 74 % of photos unseen (63–82 %), check 26 % by eye, asking for 95 % right among the accepted'
    """
    if usability is None:
        return "no share to accept unseen could be worked out"
    asked = words.percent(usability.asked_accuracy)
    if usability.threshold is None:
        return f"check every answer: at no threshold were {asked} of the accepted answers right"
    accepted = words.score(usability.accepted, "coverage")
    between = words.limits(usability.accepted, "coverage")
    check = words.percent(usability.to_check)
    shares = f"accept {accepted} of {noun} unseen ({between}), check {check} by eye"
    return f"{shares}, asking for {asked} right among the accepted"


def reached(usability: Usability) -> str:
    """What the accepted answers were worth on the test items; empty where nothing was accepted."""
    among = usability.accuracy_among_accepted
    if among is None:
        return ""
    value, between = words.score(among, "accuracy"), words.limits(among, "accuracy")
    asked = words.percent(usability.asked_accuracy)
    first = f"Of the {words.count(usability.n_accepted)} accepted, {value} were right ({between})"
    if among.high < usability.asked_accuracy:
        return f"{first}: clearly short of the {asked} asked for."
    if among.low < usability.asked_accuracy:
        return f"{first}: {asked} is possible but not proven with so few items."
    return f"{first}: {asked} is reached."


def rule(usability: Usability) -> str:
    """By what rule answers are accepted; empty where none are."""
    if usability.threshold is None:
        return ""
    asked, threshold = words.percent(usability.asked_accuracy), words.percent(usability.threshold)
    return (
        f"Accepted is an answer given with a probability of {threshold} or more. This threshold aims at {asked} right "
        "and was set without the test items."
    )


def verdict(transfer: Transfer) -> str:
    """The verdict in two or three words."""
    return {
        "helped": "Pretraining helped",
        "hurt": "Pretraining hurt",
        "equivalent": "Pretraining made no difference",
        "undecided": "Undecided whether pretraining helped",
    }[transfer.verdict]


def transfer_sentence(transfer: Transfer) -> str:
    """Did transfer help, with the paired difference, its interval and the strongest rival.

    >>> from keiki.evaluation.report.schema import Interval
    >>> transfer_sentence(Transfer(verdict="helped", metric="accuracy", against="HOG + logistic regression",
    ...     difference=Interval(value=0.31, low=0.22, high=0.4), margin=0.01))
    'pretraining helped: +31 points (22–40) over the best model without it (HOG + logistic regression)'
    """
    start = verdict(transfer)
    return f"{start[0].lower()}{start[1:]}: {transfer_rest(transfer)}"


def transfer_rest(transfer: Transfer) -> str:
    """`transfer_sentence` without its verdict."""
    change = words.change(transfer.difference, transfer.metric)
    change = f"{change} ({words.change_limits(transfer.difference, transfer.metric)})"
    against = transfer.against
    if transfer.verdict == "helped":
        return f"{change} over the best model without it ({against})"
    if transfer.verdict == "hurt":
        return f"{change} against {against}, which starts from nothing but this data"
    if transfer.verdict == "equivalent":
        return f"{change} against {against}, within the {_margin(transfer)} that counts as equal"
    needed = transfer.items_to_decide
    more = f"; about {words.count(needed)} test items would decide" if needed else "; too few test items to tell"
    return f"{change} against {against}{more}"


def shipped(transfer: Transfer) -> str:
    """Said where the model without pretraining won and is the one in the bundle; else empty."""
    if any(row.shipped and row.role == "control" for row in transfer.rows):
        return "The model without pretraining won on the training side, so it is the one you got."
    return ""


def no_transfer(noun: str) -> str:
    """Said where no control was run, or nothing pretrained is known of."""
    if noun == NOUNS["vector"]:
        return "not asked: the features were taken as they are, and where they come from is not known"
    return f"not asked: no model without pretraining was run on these {noun} (--controls none)"


def watch(warnings: tuple[Warning, ...]) -> str:
    """The first three warnings in one line, without their remedies; empty without warnings."""
    return "; ".join(warning.text.rstrip(".") for warning in warnings[:3])


def mistakes(n_mistakes: int, headline: Headline, noun: str, *, shown: bool = True) -> str:
    """What the shown mistakes are a part of."""
    if n_mistakes:
        these = "the most confident ones first" if shown else "none is shown, as asked"
        return f"{words.of(n_mistakes, 'mistakes')} among {words.of(headline.n, noun)}; {these}"
    low = words.percent(1 - headline.score.low) if words.metric_key(headline.metric) == "accuracy" else ""
    more = f"; a share of mistakes up to {low} would still fit what was seen" if low else ""
    return f"no mistake among {words.of(headline.n, noun)}{more}"


def closing_lines(report: Report, page: str) -> tuple[str, ...]:
    """The last lines of `keiki fit`: how good, did transfer help, what to watch, where the report is, what next."""
    noun = report.task.noun
    lines = [headline(report.headline, noun)]
    lines.append(
        transfer_sentence(report.transfer) if report.transfer else f"did pretraining help: {no_transfer(noun)}"
    )
    found = "; ".join(each for each in (watch(report.warnings), _unwarned(report)) if each)
    if found:
        lines.append(f"watch: {found}")
    lines.append(f"report: {page}")
    if report.next_steps:
        lines.append(f"next:  {report.next_steps[0].command}")
    return tuple(lines)


def _unwarned(report: Report) -> str:
    """What was found and should be watched, where fewer than three warnings are in its way and none says it."""
    told = " ".join(warning.text for warning in report.warnings)
    found = advice.near_or_doubtful(report)
    said = any(word in told for word in (("labels",) if "labels" in found else ("duplicate", "copies", "copy")))
    return "" if said or len(report.warnings) >= 3 else found


def _is_procedure(headline: Headline) -> bool:
    return headline.estimate == "cross-validated procedure"


def _procedure(headline: Headline, task: Task) -> str:
    folds = f"nested {task.folds}-fold cross-validation" if task.folds else "nested cross-validation"
    times = f", repeated {task.repeats} times" if task.repeats > 1 else ""
    return (
        f"An estimate of the procedure, by {folds}{times}: each of the {words.of(headline.n, task.noun)} was judged by "
        "a model that had not seen it, with every choice made anew inside. The model you got was then fitted on all."
    )


def _margin(transfer: Transfer) -> str:
    if words.is_percent(transfer.metric):
        return f"±{100 * transfer.margin:g} " + ("point" if transfer.margin == 0.01 else "points")
    return f"±{transfer.margin:g}"


def _plural(n: int, noun: str) -> str:
    return words.singular(noun) if n == 1 else noun
