"""Results as a few lines of HTML, for notebooks: self-contained, escaped, without script, network or fixed colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Protocol

from keiki.evaluation.report import sentences, words
from keiki.evaluation.report.schema import Report

MOST_ROWS = 20  # answers shown
MOST_LETTERS = 80  # of a name

_BOX = (
    "font: 14px/1.5 system-ui, sans-serif; max-width: 44rem; padding: .6rem .9rem; "
    "border: 1px solid rgba(128,128,128,.4); border-radius: 6px; overflow-x: auto"
)
_BIG = "font-size: 1.6em; font-weight: 650"
_SOFT = "opacity: .72; font-size: .9em"
_CODE = "font-family: ui-monospace, monospace; font-size: .92em; overflow-wrap: anywhere"
_CELL = "text-align: left; padding: .1rem .9rem .1rem 0; vertical-align: top"


class Answered(Protocol):
    """The answer for one item, as a bundle gives it."""

    @property
    def label(self) -> str | None: ...
    @property
    def probability(self) -> float | None: ...
    @property
    def decision(self) -> str | None: ...
    @property
    def runner_up(self) -> str | None: ...
    @property
    def error(self) -> str | None: ...


class Answers(Protocol):
    """Answers for many items; only those that are shown are asked for."""

    def __len__(self) -> int: ...
    def answer(self, row: int) -> Answered: ...


def run_snippet(report: Report, page: str) -> str:
    """A finished fit: how good, did transfer help, what to watch, where the report lies, what next."""
    head, noun = report.headline, report.task.noun
    transfer = report.transfer
    helped = sentences.transfer_sentence(transfer) if transfer else f"transfer: {sentences.no_transfer(noun)}"
    lines = [
        _paragraph(f"{_span(sentences.figure(head), _BIG)} {escape(sentences.figure_means(head, noun))}"),
        *([_paragraph(f"<b>{escape(_capital(sentences.partly(head)))}</b>")] if head.partly else []),
        _paragraph(escape(_limits(report)), _SOFT),
        _paragraph(escape(_capital(helped))),
        _paragraph(escape(_capital(sentences.usability(report.usability, noun)))),
        *(_paragraph(f"<b>Watch:</b> {escape(each.text)} {escape(each.remedy)}") for each in report.warnings[:3]),
        _paragraph(f"Report: {_span(page, _CODE)}"),
    ]
    if report.next_steps:
        lines.append(_paragraph(f"Next: {_span(report.next_steps[0].command, _CODE)}"))
    return _box(f"keiki run {report.run}", lines)


def predictions_snippet(answers: Answers) -> str:
    """A table of the first answers, and how many more there are."""
    shown = [answers.answer(row) for row in range(min(len(answers), MOST_ROWS))]
    sets = [getattr(each, "set", None) for each in shown]
    names = ["", "label", "probability", "decision", "runner-up"]
    names += ["set"] if any(each is not None for each in sets) else []
    names += ["error"] if any(each.error for each in shown) else []
    rows = [_cells(row, each, members, names) for row, (each, members) in enumerate(zip(shown, sets, strict=True))]
    head = "".join(f'<th scope="col" style="{_CELL}">{escape(name)}</th>' for name in names)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    more = len(answers) - len(shown)
    lines = [f'<table style="border-collapse: collapse"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>']
    if more:
        lines.append(_paragraph(escape(f"and {words.count(more)} more"), _SOFT))
    return _box(words.of(len(answers), "answers"), lines if rows else [])


def _cells(row: int, answer: Answered, members: Iterable[str] | None, names: Sequence[str]) -> list[str]:
    values = {
        "": str(row),
        "label": answer.label or "",
        "probability": "" if answer.probability is None else words.percent(answer.probability),
        "decision": answer.decision or "",
        "runner-up": answer.runner_up or "",
        "set": "; ".join(members or ()),
        "error": answer.error or "",
    }
    return [f'<td style="{_CELL}">{escape(_short(values[name]))}</td>' for name in names]


def _limits(report: Report) -> str:
    head = report.headline
    between = f"{words.percent(report.level)} interval {words.limits(head.score, head.metric)}"
    counted = words.of(head.n, report.task.noun)
    return f"{between}, {counted}; {report.model.method_title} on {report.model.backbone}"


def _box(title: str, lines: Sequence[str]) -> str:
    return f'<div style="{_BOX}"><div style="{_SOFT}">{escape(_short(title))}</div>{"".join(lines)}</div>'


def _paragraph(markup: str, style: str = "") -> str:
    """A paragraph of markup that is escaped already."""
    return f'<p style="margin: .25rem 0{style and "; "}{style}">{markup}</p>'


def _span(text: str, style: str) -> str:
    return f'<span style="{style}">{escape(text)}</span>'


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _short(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"
