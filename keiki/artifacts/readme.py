"""README.md of a bundle: the model card, for people and for model hubs. Without dates, so that builds are equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keiki.artifacts.graph import outputs
from keiki.artifacts.handover import Handover

_PIPELINE = {"image": "image-classification", "text": "text-classification", "vector": "tabular-classification"}
_ITEM = {"image": "photo.jpg", "text": "texts.csv", "vector": "features.npz"}
_EXAMPLE = {"image": '["photo.jpg"]', "text": '["a text"]'}
_THING = {"image": "pictures", "text": "texts", "vector": "rows of numbers"}
_METRICS = 8  # shown at most
_CLASSES = 40


def write(handover: Handover) -> str:
    """The model card in Markdown with a YAML head.

    Takes from `handover.results` what the JSON of a fit says of "task", "test", "transfer" and "warnings"; what is
    absent is left out.
    """
    parts = (_head, _what, _use, _decisions, _data, _results, _limits, _licence)
    return "\n".join(line for part in parts for line in part(handover)) + "\n"


def _head(handover: Handover) -> Iterator[str]:
    yield "---"
    yield "library_name: keiki"
    yield f"pipeline_tag: {_PIPELINE.get(handover.modality, 'other')}"
    yield f"license: {_yaml(str(handover.card.get('licence', 'other')).lower())}"
    yield f"base_model: {_yaml(str(handover.card.get('name', '')))}"
    yield f"tags: [keiki, transfer-learning, {_yaml(handover.method)}]"
    yield "---"
    yield ""


def _what(handover: Handover) -> Iterator[str]:
    classes = handover.target.classes
    named = ", ".join(_code(name) for name in classes[:_CLASSES])
    more = f" and {len(classes) - _CLASSES} more" if len(classes) > _CLASSES else ""
    yield f"# {_plain(handover.name)}"
    yield ""
    yield f"Sorts {_THING.get(handover.modality, 'items')} into {len(classes)} classes: {named}{more}."
    yield f"Made by keiki: method {_code(handover.method)} on the backbone {_code(str(handover.card.get('name')))}."
    yield ""


def _use(handover: Handover) -> Iterator[str]:
    yield "## Use"
    yield ""
    yield "```"
    yield f"keiki predict . {_ITEM.get(handover.modality, 'INPUT')}"
    yield "```"
    yield ""
    yield "```python"
    yield "import keiki"
    yield f"print(keiki.load('.').predict({_EXAMPLE.get(handover.modality, 'rows')}).labels)"
    yield "```"
    yield ""
    yield f"`model.onnx` runs anywhere: its outputs are {_listed(outputs(handover))}, of which `logits` are"
    yield "not calibrated. `bundle.json` says how inputs are prepared."
    yield ""


def _decisions(handover: Handover) -> Iterator[str]:
    """The thresholds and what they promise."""
    yield "## Decisions"
    yield ""
    accept, asked = handover.thresholds.get("accept"), handover.thresholds.get("asked_accuracy")
    if accept is not None and asked is not None:
        yield f"- `accept`: the probability is {accept:.3g} or more; {asked:.0%} of such answers are to be right."
        yield "- `check`: it is lower, and a person should look."
    else:
        yield "- `check`: every answer. No probability is high enough to accept one unseen."
    yield from _strangers(handover)
    yield ""
    if handover.out_of_fold is not None:
        yield "For another accuracy than this: `keiki predict --accuracy 0.9`. For every class that is likely enough:"
        yield "`--set-level 0.9`; such sets hold the true class for 90 % of items like the training items, on average"
        yield f"over all classes (known from {handover.out_of_fold.sets.n} answers for items that it had not seen)."
        yield ""


def _strangers(handover: Handover) -> Iterator[str]:
    stick = handover.yardstick
    if stick is None:
        yield f"- `unfamiliar` is not offered: {_plain(handover.no_yardstick)}."
        return
    yield f"- `unfamiliar`: the distance to the training items, `unfamiliarity`, is above {stick.threshold:.4g}. So it"
    yield f"  is for about {stick.expected:.1%} of items that are like them. What is unfamiliar is never accepted."


def _listed(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _data(handover: Handover) -> Iterator[str]:
    task = handover.results.get("task")
    if not isinstance(task, Mapping):
        return
    sizes = [f"{task[part]} for {name}" for part, name in _PARTS if task.get(part)]
    yield "## Data"
    yield ""
    yield f"{_sum(sizes)} ({len(handover.target.classes)} classes). The items themselves are not part of this folder."
    if files := sorted(_FROM_ITEMS & set(handover.transform.files())):
        yield f"But {_code(files[0])} holds words and runs of letters that occur in the training texts."
    yield ""


_FROM_ITEMS = frozenset({"vocabulary.json"})  # files of a preprocessing that was fitted on the training items
_PARTS = (("train", "training"), ("val", "validation"), ("test", "test"))


def _sum(sizes: list[str]) -> str:
    return "Items: " + ", ".join(sizes) if sizes else "The number of items was not noted"


def _results(handover: Handover) -> Iterator[str]:
    test, transfer = handover.results.get("test"), handover.results.get("transfer")
    if not isinstance(test, Mapping):
        return
    yield "## Results"
    yield ""
    yield f"Estimate: {_plain(str(test.get('estimate', 'held-out')))}; intervals are at 95 %."
    yield ""
    yield "| metric | value | interval |"
    yield "|---|---|---|"
    rows = [(name, each) for name, each in test.items() if isinstance(each, Mapping) and "value" in each]
    for name, each in rows[:_METRICS]:
        yield f"| {name} | {_number(each['value'])} | {_number(each.get('low'))} to {_number(each.get('high'))} |"
    yield ""
    if isinstance(transfer, Mapping) and "verdict" in transfer:
        yield f"Did pretraining help? Verdict: **{transfer['verdict']}**{_against(transfer)}."
        yield ""


def _against(transfer: Mapping[str, Any]) -> str:
    difference = transfer.get("difference")
    if not isinstance(difference, Mapping):
        return ""
    low, high = _number(difference.get("low")), _number(difference.get("high"))
    value, metric = _number(difference.get("value")), transfer.get("metric", "")
    against = _code(str(transfer.get("against")))
    return f" ({value}, {low} to {high}, in {metric} against {against}, which has no pretraining)"


def _limits(handover: Handover) -> Iterator[str]:
    yield "## Limits"
    yield ""
    yield "- It answers with one of its classes whatever it is shown."
    if handover.yardstick is None:
        yield "  What is none of them is not recognised as such."
    else:
        yield "  What is of quite another kind is mostly called unfamiliar; a new class like the others seldom is."
    yield "- The figures hold for data like those it was made from. Measure on your own: `keiki evaluate . DATA`."
    if language := handover.card.get("language"):
        yield f"- The backbone was trained on texts in: {_plain(str(language))}."
    for warning in handover.results.get("warnings", ()):
        text = warning.get("text", "") if isinstance(warning, Mapping) else str(warning)
        yield f"- {_plain(text)}"
    yield ""


def _licence(handover: Handover) -> Iterator[str]:
    card = handover.card
    yield "## Licence"
    yield ""
    yield f"Backbone {_code(str(card.get('name')))}: {_plain(str(card.get('licence')))}"
    yield f"from {_plain(str(card.get('origin')))} (SHA-256 of its weights {_code(str(card.get('digest')))})."
    yield "The licence of the data it was adapted to is for the person who fitted it to say."


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "unknown"


def _plain(text: str) -> str:
    """`text` on one line, with nothing that Markdown or HTML would act on."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join("\\" + sign if sign in "\\`*_[]|#" else sign for sign in line)


def _code(text: str) -> str:
    line = " ".join(text.split())
    ticks = "``" if "`" in line else "`"
    pad = " " if "`" in line else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def _yaml(text: str) -> str:
    """`text` as a YAML scalar; JSON strings are YAML.

    >>> _yaml("apache-2.0"), _yaml("a: b")
    ('apache-2.0', '"a: b"')
    """
    import json

    return text if text and all(sign.isalnum() or sign in "-._/" for sign in text) else json.dumps(text)
