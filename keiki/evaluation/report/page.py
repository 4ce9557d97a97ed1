"""report.json -> report.html: one file that opens by double click, without network, script or font of its own.

Everything that comes from data is escaped by jinja2; the page's own style sheet is the only thing allowed in by
its Content-Security-Policy (by digest), beside pictures that stand in the file itself.
"""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import re
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup, escape

from keiki.evaluation.report import (
    advice,
    charts,
    confusion,
    curves,
    heat,
    movement,
    scatter,
    sentences,
    start_words,
    words,
)
from keiki.evaluation.report.reading import from_json
from keiki.evaluation.report.schema import ClassResult, Mistake, Report

MOST_ROWS = 150  # of the per-class tables; report.json has them all
MOST_SKIPPED = 40


def render(report: Mapping[str, Any]) -> str:
    """The page for the content of report.json; a damaged content is a BundleError that names the place."""
    return render_report(from_json(report))


def render_report(report: Report) -> str:
    """The page for a report."""
    names = [one.name for one in report.task.classes]
    return (
        environment()
        .get_template("page.html")
        .render(
            report=report,
            names=names,
            looked=_looked_into(report),
            copies=bool(report.findings and report.findings.n_exact + report.findings.n_near),
            sections=_sections(report),
            weakest=_weakest_first(report.per_class)[:MOST_ROWS],
            pairs=confusion.pairs(names, report.confusion),
            matrix=confusion.table(names, report.confusion),
            most_rows=MOST_ROWS,
            most_skipped=MOST_SKIPPED,
        )
    )


def _looked_into(report: Report) -> tuple[Mistake, ...]:
    """The mistakes of which more is known than that they are wrong."""
    return tuple(one for one in report.mistakes if one.why is not None or one.neighbours)


def _sections(report: Report) -> list[tuple[str, list[tuple[str, str]]]]:
    """The table of contents: id and name of every section below the first screen, under three headings."""
    better = {
        "why": ("Mistakes", _looked_into(report)),
        "found": ("Data problems", report.findings),
        "slices": ("Weak spots", report.slices),
        "classes": ("Classes", report.per_class),
        "confusion": ("Mix-ups", report.confusion),
        "labels": ("More labels", report.learning),
    }
    trust = {
        "map": ("Map", report.map),
        "accepting": ("Accepting", report.risk),
        "reliability": ("Probabilities", report.reliability),
        "metrics": ("Metrics", True),
        "data": ("Data", True),
    }
    made = {
        "start": ("Your model", report.start),
        "moved": ("What moved", report.moved),
        "curves": ("Curves", report.paths or report.training),
        "tried": ("Tried and lost", True),
        "cost": ("Cost", True),
        "use": ("Use the model", True),
        "again": ("Do it again", True),
    }
    groups = (("Make it better", better), ("Trust it", trust), ("How it was made", made))
    named = [(title, [(id, name) for id, (name, there) in links.items() if there]) for title, links in groups]
    return [(title, links) for title, links in named if links]


def _weakest_first(results: tuple[ClassResult, ...]) -> list[ClassResult]:
    """By F1, classes that cannot be judged last; ties by name."""
    return sorted(results, key=lambda r: (r.f1 is None, r.f1.value if r.f1 else 0.0, r.name))


@functools.cache
def environment() -> jinja2.Environment:
    """The templates of all pages, with everything that they call."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = _read("style.css")
    made.globals.update(
        words=words,
        sentences=sentences,
        charts=charts,
        curves=curves,
        movement=movement,
        start_words=start_words,
        advice=advice,
        shade=heat.shade,
        shades=heat.shades,
        plot=scatter.scatter,
        side=scatter.SIDE,
        circle=scatter.SHAPES[0],
        style=Markup(style),  # ours, not the user's
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )
    made.filters.update(_filters())
    return made


def _filters() -> dict[str, Callable[..., Any]]:
    return {
        "tight": tight,
        "capital": lambda text: text[:1].upper() + text[1:],
        "sentence": lambda text: text if text[-1:] in ".!?…" else f"{text}.",
        "count": words.count,
        "percent": words.percent,
        "size": words.size,
        "seconds": words.seconds,
        "number": words.number,
        "decimal": words.decimal,
        "moment": moment,
    }


def tight(text: str) -> Markup:
    """`text`, escaped, with ranges and command-line options kept on one line, and units beside their number.

    >>> print(tight("80–94 % <b>"))
    <span class="nb">80–94\u202f%</span> &lt;b&gt;
    """
    safe = str(escape(text)).replace(" %", "\N{NARROW NO-BREAK SPACE}%")
    safe = UNBROKEN.sub(r'<span class="nb">\g<0></span>', safe)
    return Markup(OPTION.sub(r'<code class="option">\g<0></code>', safe))


UNBROKEN = re.compile(
    r"[+\N{MINUS SIGN}±]?[\d.]+(\N{EN DASH}[\d.]+)?\N{NARROW NO-BREAK SPACE}%|[\d.]+\N{EN DASH}[\d.]+"
)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*(?![\w-])")


def moment(iso: str) -> str:
    """An ISO 8601 moment for people, in the time zone it was written in.

    >>> moment("2026-03-07T15:04:05+01:00")
    '7 March 2026, 15:04'
    """
    at = datetime.datetime.fromisoformat(iso)
    return f"{at.day} {MONTHS[at.month - 1]} {at.year}, {at.hour:02d}:{at.minute:02d}"


MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip  # strftime would follow the machine's locale


def _read(name: str) -> str:
    return resources.files("keiki.evaluation.report").joinpath("templates", name).read_text(encoding="utf-8")
