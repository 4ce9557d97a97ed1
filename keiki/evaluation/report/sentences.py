"""The words of the report and of the last lines of `keiki fit`: pure functions from report parts to sentences.

One home for every phrase that judges, so that page, terminal and model card cannot disagree.
"""

from __future__ import annotations

from keiki.evaluation.report import advice, start_words, words
from keiki.evaluation.report.schema import ClassCount, Headline, Report, Task, Transfer, Usability, Warning

SHOWN_CLASSES = 3  # that are named in a sentence
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
    line = "; ".join(
        each for each in (f"{figure(headline)} {figure_means(headline, noun)} {ranges}", partly(headline)) if each
    )
    return f"{line}; an estimate of the procedure" if _is_procedure(headline) else line


def title(report: Report) -> str:
    """What the tab of the page and the head of a printed one say."""
    found = report.headline.partly
    less = f", {found.n_judged} of {words.of(found.n_classes, 'classes')} judged" if found else ""
    return f"{figure(report.headline)}{less} · {report.run}"


def estimate(headline: Headline, task: Task) -> str:
    """How the figure was measured, and how often this test set has been looked at."""
    if _is_procedure(headline):
        return _procedure(headline, task)
    kind = "given" if task.split == "given" else "held-out"
    same = f"another domain than the training {task.noun}" if headline.domain == "target" else "the same source"
    what = f"{words.count(headline.n)} {kind} test {_plural(headline.n, task.noun)}"
    which = f", the newest of {same}" if task.newest else f" from {same}"
    return f"Measured on {what}{which}. {looks(headline.looks)}".strip()


def partly(headline: Headline) -> str:
    """That not all classes were judged, and what a constant answer is worth then; empty where all were."""
    found = headline.partly
    if found is None:
        return ""
    if found.n_judged <= SHOWN_CLASSES and len(found.judged) == found.n_judged:
        names = " and ".join(map(advice.said, found.judged))
        which = names if found.n_judged == 1 else f"{names}, of {words.of(found.n_classes, 'classes')},"
    else:
        which = f"{words.count(found.n_judged)} of {words.of(found.n_classes, 'classes')}"
    were = words.verb(found.n_judged, "was", "were")
    constant = f"always saying {advice.said(found.constant)} would be {words.percent(found.constant_right)} right"
    return f"only {which} {were} judged, and {constant}"


def split(task: Task) -> str:
    """How the items were divided into training and test."""
    if task.split == "given":
        return "as given"
    if task.split == "held-out":
        return f"made by keiki: {_apart(task)}"
    times = f", repeated {task.repeats} times" if task.repeats > 1 else ""
    return f"nested cross-validation, {words.of(task.folds, 'folds')}{times}"


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
        return f"check every answer: {_unreached(usability, noun, asked)}"
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
    more = " or more" if threshold[0].isdecimal() and usability.threshold < 1 else ""
    return (
        f"Accepted is an answer given with a probability of {threshold}{more}. This threshold aims at {asked} right "
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
    unfinished = any(row.unfinished and row.label == transfer.against for row in transfer.rows)
    against = f"{transfer.against}, not trained to the end" if unfinished else transfer.against
    if transfer.verdict == "helped":
        return f"{change} over the best model without it ({against})"
    if transfer.verdict == "hurt":
        return f"{change} against {against}, which starts from nothing but this data"
    if transfer.verdict == "equivalent":
        return f"{change} against {against}, within the {_margin(transfer)} that counts as equal"
    needed = transfer.items_to_decide
    about = words.count(advice.rounded(needed)) if needed else ""
    more = f"; about {about} test items would decide" if needed else "; too few test items to tell"
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


def unfinished(transfer: Transfer) -> tuple[str, ...]:
    """What is said of controls that were not trained to the end and count all the same."""
    return tuple(
        f"{row.label[:1].upper()}{row.label[1:]} was not trained to the end ({row.unfinished}), but no other model "
        "without pretraining scores better, so it counts; trained on it may be better still."
        for row in transfer.rows
        if row.unfinished
    )


def mistakes(
    n_mistakes: int, headline: Headline, noun: str, *, shown: bool = True, repeats: int = 1, copies: bool = False
) -> str:
    """What the shown mistakes are a part of. repeats: how often each item was answered; copies: whether sets of copies
    are among the items, of each of which one mistake is shown."""
    if n_mistakes:
        these = "the most confident ones first" + (", one of each set of copies" if copies else "")
        these = these if shown else "none is shown, as asked"
        rounds = f" on the average of {repeats} rounds" if repeats > 1 else ""
        return f"{words.of(n_mistakes, 'mistakes')} among {words.of(headline.n, noun)}{rounds}; {these}"
    low = words.percent(1 - headline.score.low) if words.metric_key(headline.metric) == "accuracy" else ""
    more = f"; a share of mistakes up to {low} would still fit what was seen" if low else ""
    return f"no mistake among {words.of(headline.n, noun)}{more}"


def closing_lines(report: Report, page: str) -> tuple[str, ...]:
    """The last lines of `keiki fit`: how good, did transfer help, what to watch, where the report is, what next.

    Where the fit started from a model of the user's own, a line of its own says what that was worth.
    """
    noun = report.task.noun
    lines = [headline(report.headline, noun)]
    lines.append(
        transfer_sentence(report.transfer) if report.transfer else f"did pretraining help: {no_transfer(noun)}"
    )
    more = advice.unwarned(report) if len(report.warnings) < 3 else ""
    if report.start:
        lines.append(start_words.start(report.start))
    found = "; ".join(each for each in (watch(report.warnings), more) if each)
    if found:
        lines.append(f"watch: {found}")
    lines.append(f"report: {page}")
    if report.next_steps:
        lines.append(f"next:  {report.next_steps[0].command}")
    return tuple(lines)


def _is_procedure(headline: Headline) -> bool:
    return headline.estimate == "cross-validated procedure"


def _procedure(headline: Headline, task: Task) -> str:
    folds = f"nested {task.folds}-fold cross-validation" if task.folds else "nested cross-validation"
    times = f", repeated {task.repeats} times" if task.repeats > 1 else ""
    return (
        f"An estimate of the procedure, by {folds}{times}: each of the {words.of(headline.n, task.noun)} was judged by "
        "a model that had not seen it, with every choice made anew inside. The model you got was then fitted on all."
    )


def _unreached(usability: Usability, noun: str, asked: str) -> str:
    """Why no threshold could be set."""
    answers = f"answers to held-out training {noun}"
    if usability.unreached == "few":
        return f"too few {answers} to be sure, at any threshold, that {asked} of the accepted ones are right"
    if usability.unreached == "short":
        return f"at no threshold that was tried were {asked} of the {answers} right"
    return f"at no threshold is it sure that {asked} of the accepted answers are right"


def _apart(task: Task) -> str:
    """What the test items are that keiki set apart."""
    if task.newest:
        return "the newest items are for the test"
    share = task.test / max(1, task.n)
    if all(abs(each.test - share * _total(each)) <= 1 for each in task.classes):
        return "drawn by chance, stratified by class"
    return "drawn by chance; what belongs together stayed together, so not every class has its share"


def _total(one: ClassCount) -> int:
    return one.train + one.validation + one.test


def _margin(transfer: Transfer) -> str:
    if words.is_percent(transfer.metric):
        return f"±{100 * transfer.margin:g} " + ("point" if transfer.margin == 0.01 else "points")
    return f"±{transfer.margin:g}"


def _plural(n: int, noun: str) -> str:
    return words.singular(noun) if n == 1 else noun
