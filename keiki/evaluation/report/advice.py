"""What the deeper parts of the report mean and what to do about them, in plain sentences.

Like sentences.py, pure functions from report parts to words: one home for every phrase that judges or advises.
"""

from __future__ import annotations

from keiki.evaluation.report import tongues, words
from keiki.evaluation.report.insight import (
    Findings,
    Hint,
    Language,
    Leak,
    LearningCurve,
    Map,
    Neighbour,
    RiskCurve,
    Shift,
    Sizes,
    Slices,
)
from keiki.evaluation.report.schema import Mistake, Report, Usability

LONGEST = 40  # characters of a name
SAME = 0.95  # cosine from which two items are nearly the same to the model
UNKNOWN = 0.05  # share of unknown tokens from which the backbone misses words that count


def how_to_read(mistakes: tuple[Mistake, ...], noun: str) -> str:
    """What light, shades and neighbours of the mistakes show."""
    whys = [one.why for one in mistakes if one.why is not None]
    parts = []
    if any(why.heat for why in whys):
        parts.append(
            "Lit is what the answer hung on: with that covered by grey its score fell most. What lies in shade hardly "
            "counted."
        )
    if any(why.words for why in whys):
        parts.append(
            "The stronger the orange, the more the answer hung on that word: without it its score falls. Words in blue "
            "spoke against the answer."
        )
    if any(one.neighbours for one in mistakes):
        parts.append(f"With each: the training {noun} that are most alike to the model, and their labels.")
    return " ".join(parts)


def case(mistake: Mistake) -> str:
    """What one mistake looks like from its neighbours, and what would help."""
    return " ".join(part for part in (_alike(mistake), _hung_on(mistake)) if part)


def _alike(mistake: Mistake) -> str:
    near = mistake.neighbours
    labels = [each.item.label for each in near]
    if not near:
        return ""
    if near[0].similarity >= SAME and labels[0] != mistake.true:
        return f"A training item that is nearly the same is labelled {said(labels[0])}: one of the two may be wrong."
    if all(label == mistake.predicted for label in labels):
        return (
            f"All that is near carries the label {said(mistake.predicted)}: if this one is rightly "
            f"{said(mistake.true)}, more like it are needed in training."
        )
    if mistake.predicted not in labels and mistake.true in labels:
        return (
            f"What is near is rather {said(mistake.true)}, as it should be: a close call of the head, not the features."
        )
    if mistake.true not in labels:
        return f"Nothing near it is {said(mistake.true)}: it looks unlike what training showed of that class."
    return "What is near carries both labels: it lies on a border."


def _hung_on(mistake: Mistake) -> str:
    why = mistake.why
    if why is None:
        return ""
    if why.heat is not None:
        if why.heat.flips:
            return f"Covering one place is enough to change the answer ({why.heat.flips} of {why.heat.n} places tried)."
        return "No single place decides: whatever was covered, the answer stayed."
    flips = list(dict.fromkeys(word.text.strip() for word in why.words if word.flips))
    if flips:
        shown = ", ".join(map(said, flips[:3]))
        more = f" and {len(flips) - 3} more" if len(flips) > 3 else ""
        return (
            f"Without {shown}{more} the answer would have been another."
            if len(flips) == 1
            else (f"Leaving out any one of {shown}{more} changes the answer.")
        )
    return "No single word decides: whichever was left out, the answer stayed."


def said(name: str) -> str:
    """A name within a sentence: quoted, and not longer than a sentence can bear.

    >>> said("rust"), len(said("W" * 300))
    ("'rust'", 42)
    """
    return f"'{name if len(name) <= LONGEST else name[: LONGEST - 1] + '…'}'"


def similarity(neighbour: Neighbour) -> str:
    """How near a neighbour is, for people."""
    return f"alike {words.decimal(neighbour.similarity)}"


def suspects(found: Findings, noun: str) -> str:
    """How many labels are doubtful and what to do."""
    if not found.n_suspects:
        return f"No label stands out as doubtful among the training {noun}."
    if found.n_suspects == 1:
        return (
            f"1 label among the training {noun} looks doubtful: judged by a model that had not seen its item, it is "
            "unlikely and another fits better. Look at it; a wrong label costs twice, in training and in the figures. "
            "It is a suggestion: what is rare but right can look so, too."
        )
    return (
        f"{words.of(found.n_suspects, 'labels')} among the training {noun} look doubtful: judged by a model that had "
        "not seen them, the label at hand is unlikely and another fits better. Look at these first; wrong labels cost "
        "twice, in training and in the figures. They are suggestions: what is rare but right is among them, too."
    )


def copies(found: Findings, noun: str) -> str:
    """How many copies there are, and that no figure is flattered by them."""
    if not found.n_copies:
        return f"No two {noun} are copies of one another, exact or near."
    kinds = [f"{words.of(found.n_exact, 'sets')} of exact copies"] if found.n_exact else []
    kinds += [f"{words.of(found.n_near, 'sets')} of near-copies"] if found.n_near else []
    first = f"{' and '.join(kinds)}, {words.of(found.n_copies, noun)} in all."
    kept = "" if found.leak else " Each set was kept on one side of every split, so they flatter no figure."
    torn = sum(len(set(each.labels)) > 1 for each in found.copies)
    if not torn:
        return first + kept
    which = "One of the sets shown carries" if torn == 1 else f"{words.count(torn)} of the sets shown carry"
    return f"{first}{kept} {which} more than one label: correct those first."


def leak(leak: Leak, noun: str) -> str:
    """What a given split that leaks does to the figure."""
    first = f"{words.of(leak.n, f'test {noun}')} {'has' if leak.n == 1 else 'have'} a copy among the training {noun}."
    if leak.without_them is None:
        return f"{first} Too few are left without them to judge by; make the split anew."
    with_them, without = (
        f"{words.score(each, leak.metric)} ({words.limits(each, leak.metric)})"
        for each in (leak.with_them, leak.without_them)
    )
    name = words.metric_title(leak.metric)
    return (
        f"{first} {name[:1].upper()}{name[1:]} with them: {with_them}; without them: {without}. Trust the second "
        "figure, and take the copies out of one side."
    )


def shift(shift: Shift, noun: str) -> str:
    """Whether test items are unlike training items, and what that means."""
    value = words.decimal(max(0.5, shift.auc.value))
    how = f"A classifier that learned to tell test {noun} from training {noun} reaches a ROC AUC of {value}"
    if not shift.shifted:
        return f"{how}, where 0.5 means not at all: there is no sign that they differ."
    return (
        f"{how} (at least {words.decimal(shift.auc.low)}; 0.5 means not at all). So they differ: the "
        f"figures hold for {noun} like the test set. Check whether both were collected the "
        "same way, and train on what you will meet."
    )


def hint(hint: Hint, noun: str) -> str:
    """A suggested group and what to type."""
    groups, items = words.of(hint.n_groups, "groups"), words.of(hint.n_items, noun)
    why = {
        "prefix": f"the beginnings of their names put {items} into {groups}",
        "burst": f"their moments of exposure put {items} into {groups} of shots taken within seconds",
        "column": f"the column '{hint.name}' puts {items} into {groups}",
    }[hint.how]
    todo = (
        f"keep them together by {hint.option}" if hint.option else "add a column that names the group, and give --group"
    )
    return f"Some {noun} seem to belong together: {why}. If so, {todo}; else the figures flatter."


def language(found: Language) -> str:
    """What the backbone makes of these texts."""
    parts = [f"Languages found: {tongues.shares(found.languages)}."] if found.languages else []
    if found.backbone_language:
        parts.append(f"The backbone was trained on: {found.backbone_language}.")
    unknown = words.percent(found.unknown_tokens) if found.unknown_tokens else "None"
    parts.append(f"{unknown} of the tokens are unknown to it.")
    if found.unknown_tokens > UNKNOWN:
        parts.append("That is much: try a multilingual backbone.")
    cut = f"It reads {words.count(found.limit)} tokens; the longest text has {words.count(found.longest)}"
    if found.truncated:
        parts.append(f"{cut}, and {words.percent(found.truncated)} are cut. If what counts stands late, shorten them.")
    else:
        parts.append(f"{cut}, so none is cut.")
    return " ".join(parts)


def sizes(found: Sizes, noun: str) -> str:
    """Pictures against the backbone's input."""
    small, large = (" × ".join(map(words.count, each)) for each in (found.smallest, found.largest))
    ranges = f"all are {small} pixels" if small == large else f"from {small} to {large} pixels"
    first = f"The backbone sees {found.input_side} × {found.input_side} pixels; {noun}: {ranges}."
    if found.n_small:
        are, get = (words.verb(found.n_small, *forms) for forms in (("is", "are"), ("gets", "get")))
        small = f"{words.of(found.n_small, noun)} {are} below half of that and {get} blown up"
        first += f" {small}: larger originals would help."
    if found.n_large:
        are = words.verb(found.n_large, "is", "are")
        first += f" {words.of(found.n_large, noun)} {are} more than eight times as large: crop to what counts."
    return first


def slices(found: Slices) -> str:
    """Where it is weak, or that nothing is clearly weak, and how that was decided."""
    weak = [f"{said(one.name)} ({family.name})" for family in found.families for one in family.slices if one.weak]
    looked = "the one slice" if found.tested == 1 else f"the {words.of(found.tested, 'slices')}"
    rule = (
        f"A slice counts as weak where its interval lies on the bad side of the total and the difference stays "
        f"significant after correcting for {looked} looked at (Holm). Slices with fewer than {found.smallest} "
        "independent items are not judged."
    )
    if not weak:
        return f"No slice is clearly worse than the whole. {rule}"
    shown = ", ".join(weak[:4]) + (f" and {len(weak) - 4} more" if len(weak) > 4 else "")
    return f"Clearly worse than the whole: {shown}. Collect more of these, or do not rely on it there. {rule}"


def more_labels(curve: LearningCurve) -> str:
    """How many more labels for one more point, or that it cannot be said."""
    gain = f"{100 * curve.gain:g} more point" + ("" if curve.gain == 0.01 else "s")
    if curve.more_labels is None:
        return f"How many labels for {gain}? Can't say: {curve.why_not}."
    more = curve.more_labels
    value, low, high = (words.count(rounded(each)) for each in (more.value, more.low, more.high))
    labels = "label" if rounded(more.value) == 1 else "labels"
    return f"About {value} more {labels} for {gain} of accuracy ({low} to {high})."


def doubled(curve: LearningCurve) -> str:
    """What twice the labels would bring; empty where the law is not believed."""
    if curve.doubled is None:
        return ""
    gain, between = words.difference(curve.doubled, "accuracy"), words.difference_limits(curve.doubled, "accuracy")
    return f"Twice the labels would bring {gain} ({between})."


def rounded(n: float) -> int:
    """A count with two significant digits: no more are known.

    >>> rounded(1234.0), rounded(87.4), rounded(6.2)
    (1200, 87, 6)
    """
    digits = max(0, len(str(int(n))) - 2)
    return int(round(n, -digits))


def risk(curve: RiskCurve, usability: Usability | None) -> str:
    """What the curve of accepting says, at a half and at the threshold."""
    half = min(curve.points, key=lambda p: abs(p.coverage - 0.5))
    everything = max(curve.points, key=lambda p: p.coverage)
    right, whole = words.percent(1 - half.risk.value), words.percent(1 - everything.risk.value)
    first = (
        f"Of the surest {words.percent(half.coverage)} of the answers {right} are right, of all {whole}: the steeper "
        "the curve falls, the better it knows when it does not know."
    )
    if usability is None or usability.threshold is None:
        return first
    accepted = words.percent(usability.accepted.value)
    return f"{first} The threshold in the bundle accepts {accepted}; keiki predict --accuracy moves it."


def map_reads(found: Map, repeats: int = 1) -> str:
    """How to read the map, and how far to trust it. repeats: how often each item was answered."""
    shown = len(found.x)
    sample = f"{words.count(shown)} of the {words.count(found.n)}, drawn at random. " if shown < found.n else ""
    outlined = "Mistakes are outlined."
    if repeats > 1:
        outlined = (
            f"Outlined is what most of the {repeats} answers of an item get wrong; so these are not quite as many as "
            "the mistakes that are counted elsewhere, on the average of the rounds."
        )
    return (
        f"{sample}Each symbol is one judged item; what lies together is alike to {found.of}. {outlined} A "
        "mistake amid another class may be a wrong label; one on a border is a hard case. Only nearness means "
        f"something ({words.percent(found.kept)} of each item's ten nearest are true neighbours), not the distances "
        "between clouds."
    )


def unwarned(report: Report) -> str:
    """The one thing of the findings for the closing lines of a fit that no warning says; empty where there is none."""
    found, told = report.findings, " ".join(warning.text for warning in report.warnings)
    if found is None:
        return ""
    if found.n_suspects and "doubt" not in told:
        return f"{words.of(found.n_suspects, 'labels')} {words.verb(found.n_suspects, 'looks', 'look')} doubtful"
    kept = found.n_near and not any(word in told for word in ("duplicate", "copies", "copy"))
    return f"{words.of(found.n_near, 'sets')} of near-duplicates kept together" if kept else ""
