"""Fill the generated parts of the docs from the code and from measured results.

    python tools/make_docs.py            write what is stale
    python tools/make_docs.py --check    only name it; exit code 1 if anything is

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->` in README.md or docs/**/*.md; NAME is a
function in this file. What stands there is never edited by hand. Machine-dependent things (models in a user's own
cache) stay out, so that everybody generates the same text.
"""

import argparse
import contextlib
import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.training_rows import training_rows
from keiki.core.files import read_json, write_text

ROOT = Path(__file__).resolve().parent.parent
QUICK = ROOT / "bench" / "results" / "quick.json"
COVERAGE = ROOT / "bench" / "results" / "coverage.json"
BLOCK = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
COLUMNS = "100"  # help texts are wrapped by this width wherever they are made
BLOCKS: dict[str, Callable[[], str]] = {}


def block(function: Callable[[], str]) -> Callable[[], str]:
    """Register a generated part under the function's own name."""
    BLOCKS[function.__name__] = function
    return function


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    only_check = parser.parse_args().check
    stale = [(path, text) for path in pages() if (text := filled(path)) != path.read_text(encoding="utf-8")]
    for path, text in stale:
        if not only_check:
            write_text(path, text)
        print(f"{'stale' if only_check else 'written'}: {path.relative_to(ROOT)}")
    return 1 if only_check and stale else 0


def pages() -> list[Path]:
    """README.md and everything under docs/ with a generated part in it."""
    every = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in every if BLOCK.search(path.read_text(encoding="utf-8"))]


def filled(path: Path) -> str:
    """The page with its generated parts made anew."""
    return BLOCK.sub(lambda found: made(path, found), path.read_text(encoding="utf-8"))


def made(path: Path, found: re.Match[str]) -> str:
    """One generated part with its markers."""
    start, name, end = found.groups()
    if name not in BLOCKS:
        raise SystemExit(f"{path} asks for '{name}'; there are {', '.join(sorted(BLOCKS))}.")
    return f"{start}{BLOCKS[name]().strip()}\n{end}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table.

    >>> print(table(("a", "b"), [("x | y", 1)]))
    | a | b |
    |---|---|
    | x \\| y | 1 |
    """
    lines = [[cell(each) for each in row] for row in (header, *rows)]
    lines.insert(1, ["---"] * len(header))
    return "\n".join(
        "|---" * len(header) + "|" if i == 1 else f"| {' | '.join(line)} |" for i, line in enumerate(lines)
    )


def cell(value: object) -> str:
    """A value on one line, with nothing that ends a cell."""
    return " ".join(str(value).split()).replace("|", "\\|")


def fence(text: str, language: str = "text") -> str:
    """Text as it is."""
    return f"```{language}\n{text.strip()}\n```"


def spoken(*arguments: str) -> str:
    """What `keiki ARGUMENTS` prints, in a terminal of a fixed width."""
    from keiki.cli.main import main as keiki

    before, out = os.environ.get("COLUMNS"), io.StringIO()
    os.environ["COLUMNS"] = COLUMNS
    try:
        with contextlib.redirect_stdout(out):
            keiki(arguments)
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
    return out.getvalue()


@block
def closing() -> str:
    """The lines that the run in the picture ended with."""
    return fence((ROOT / "docs" / "images" / "report.txt").read_text(encoding="utf-8"))


@block
def figures() -> str:
    """What was measured, from the result file alone."""
    if not QUICK.is_file():
        return "Not measured yet: `make bench-quick`."
    found = read_json(QUICK)
    machine = found["machine"]
    load = machine["load"]
    where = f"{machine['cpu']}, {machine['cores']} cores, no GPU used; load {load['least']} to {load['most']}; "
    where += f"measured at {', '.join(commit[:9] for commit in machine['commits'])}."
    how = (
        "Medians (accuracies: means of paired differences), with 95 % bootstrap intervals where there are 5 or more "
        "measurements; n tells how many. Rows of time against fastai come from draws that ran side by side; those of "
        "accuracy also from draws where its earlier result was kept. From `bench/results/quick.json`, made by "
        "`make bench-quick`."
    )
    head = ("figure", "measured", "interval", "n", "to reach", "reached")
    return f"{table(head, map(figure, found['figures']))}\n\n{where} {how}"


def figure(row: dict[str, Any]) -> tuple[str, ...]:
    """One row of the result file."""
    unknown = row["low"] is None or row["high"] is None
    interval = "" if unknown else f"{short(row['low'])} to {short(row['high'])}"
    reached = {True: "yes", False: "**no**", None: ""}[row["reached"]]
    return (
        row["name"],
        f"{short(row['value'])} {row['unit']}".rstrip(),
        interval,
        str(row["n"]),
        goal(row["goal"]),
        reached,
    )


def goal(text: str | None) -> str:
    """The figure to reach.

    >>> goal("<= 0.3333333333333333"), goal(None)
    ('<= 0.333', '')
    """
    if text is None:
        return ""
    sign, number = text.split()
    return f"{sign} {short(float(number))}"


def short(number: float) -> str:
    """Three digits that matter.

    >>> short(0.33333), short(1234.5)
    ('0.333', '1,234')
    """
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


@block
def training() -> str:
    """What was measured of training: steps, kills, damage, and the recipe beside the probe."""
    head = ("figure", "measured", "interval", "n", "to reach", "reached")
    rows = training_rows(ROOT / "bench" / "results")
    where = "From `steps.json`, `kill.json`, `damage.json` and `tuning.json` in `bench/results`, made by `make steps`, "
    where += "`make kill`, `make damage` and `make bench-tuning`; more in [docs/tuning.md](docs/tuning.md)."
    return f"{table(head, map(figure, rows))}\n\n{where}" if rows else "Not measured yet."


@block
def coverage() -> str:
    """How often each interval held the truth, case by case."""
    if not COVERAGE.is_file():
        return "Not measured yet: `.venv/bin/python bench/coverage.py`."
    rows = read_json(COVERAGE)["rows"]
    cases = list(dict.fromkeys(row["case"] for row in rows))
    names = list(dict.fromkeys(row["interval"] for row in rows))
    cells = {(row["interval"], row["case"]): f"{100 * row['coverage']:.1f} %" for row in rows}
    return table(("interval", *cases), [(name, *(cells.get((name, case), "") for case in cases)) for name in names])


@block
def verbs() -> str:
    """One line a verb."""
    return table(("verb", "what it does"), [(f"`keiki {name}`", about) for name, about in verb_lines()])


def verb_lines() -> list[tuple[str, str]]:
    """Each verb with the first line of its help."""
    from importlib import import_module

    from keiki.cli.main import verbs as names

    functions = [(name, getattr(import_module(f"keiki.cli.{name}"), name)) for name in names()]
    return [(name, inspect.cleandoc(function.__doc__).partition("\n")[0]) for name, function in functions]


@block
def cli() -> str:
    """The help of every verb."""
    parts = [f"## keiki {name}\n\n{fence(spoken(name, '--help'))}" for name, _ in verb_lines()]
    return "\n\n".join([fence(spoken("--help")), *parts])


@block
def method_table() -> str:
    """One line a method."""
    from keiki.methods.base import METHODS

    rows = [(f"`{m.name}`", m.family, m.title, ", ".join(sorted(m.modalities))) for m in METHODS.values()]
    return table(("method", "family", "what it is", "for"), rows)


@block
def methods() -> str:
    """Every method in full."""
    from keiki.methods.base import METHODS

    return "\n\n".join(method(each) for each in METHODS.values())


def method(kind: Any) -> str:
    """One method: idea, source, what it needs, options."""
    from keiki.core.options import rows

    facts = [
        f"- source: {linked(kind.paper)}",
        f"- for: {', '.join(sorted(kind.modalities))}",
        f"- needs: {', '.join(sorted(kind.needs)) or 'nothing but labelled items'}",
        f"- tags: {', '.join(sorted(kind.tags))}; defined in `{kind.__module__.replace('.', '/')}.py`",
    ]
    options = [
        (f"`{r.name}`", r.type, r.default, "" if r.search is None else r.search, r.help) for r in rows(kind.Config)
    ]
    head = ("option (`--set NAME=VALUE`)", "type", "default", "searched in", "meaning")
    shown = table(head, options) if options else "It has no options."
    return "\n\n".join([f"## {kind.name}", kind.title, fence(inspect.cleandoc(kind.__doc__)), "\n".join(facts), shown])


def linked(paper: str) -> str:
    """An arXiv number as a link.

    >>> linked("arXiv:1805.08974"), linked("Saxe et al., ICML 2011")
    ('[arXiv:1805.08974](https://arxiv.org/abs/1805.08974)', 'Saxe et al., ICML 2011')
    """
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", paper)


@block
def backbones() -> str:
    """Every backbone that comes with the install."""
    from keiki.backbones.base import FAMILIES, load

    cards = [load(name).card for family in FAMILIES.values() for name in family.listed() if ":" not in name]
    rows = [
        (
            f"`{card.name}`",
            card.family,
            card.modality + (f", {card.language}" if card.language else ""),
            card.width or "by the data",
            f"{card.parameters:,}",
            "yes" if card.pretrained and card.parameters else "no",
            card.licence,
            card.origin,
        )
        for card in cards
    ]
    head = ("backbone", "family", "for", "width", "parameters", "pretrained", "licence", "origin")
    return table(head, rows)


@block
def views() -> str:
    """How items can be prepared for each backbone with weights."""
    from keiki.backbones.base import FAMILIES, load

    found = [load(name) for family in FAMILIES.values() for name in family.listed() if ":" not in name]
    rows = [
        (f"`{each.card.name}`", ", ".join(f"`{v}`" for v in each.transforms())) for each in found if not each.direct
    ]
    return table(("backbone", "views (the first is the default)"), rows)


@block
def metrics() -> str:
    """Every metric."""
    from keiki.metrics.base import METRICS

    rows = [
        (
            f"`{m.name}`",
            m.help,
            "higher" if m.higher_is_better else "lower",
            f"{m.limits[0]:g} to {m.limits[1]:g}",
            m.smallest if m.smallest > 1 else "",
            "yes" if m.wants_positive else "",
        )
        for m in METRICS.values()
    ]
    return table(("metric", "what it is", "better", "between", "fewest items", "needs `--positive`"), rows)


@block
def errors() -> str:
    """The drawn tree, and what each error means."""
    from keiki.core import errors as home

    named = inspect.getmembers(home, inspect.isclass)
    kinds = [kind for _, kind in named if issubclass(kind, home.KeikiError)]
    rows = [(f"`{k.__name__}`", k.exit_code, inspect.cleandoc(k.__doc__ or "").partition("\n")[0]) for k in kinds]
    tree = inspect.cleandoc(home.__doc__ or "")
    return f"{fence(tree)}\n\n{table(('error', 'exit code', 'meaning'), rows)}"


@block
def sources() -> str:
    """Formats of data."""
    from keiki.data.sources.base import SOURCES

    rows = [(f"`{name}`", source.example, inspect.cleandoc(source.__doc__ or "")) for name, source in SOURCES.items()]
    return table(("source", "how such data look", "how it is read"), rows)


@block
def pictures() -> str:
    """Picture files, and their limits."""
    from keiki.data import picture
    from keiki.data.sources.layout import TABLES

    rules = inspect.cleandoc(picture.__doc__ or "").partition("\n\n")[2]
    facts = [
        f"- picture files: {', '.join(sorted(picture.SUFFIXES))}",
        f"- at most {picture.MAX_PIXELS / 1e6:.0f} million pixels and {picture.MAX_BYTES // 2**20} MiB a picture",
        f"- tables: {', '.join(sorted(TABLES))}",
    ]
    return "\n".join(facts) + "\n\n" + " ".join(rules.split())


@block
def exports() -> str:
    """Export formats."""
    from keiki.artifacts.formats.base import FORMATS

    return table(("`--format`", "what is written"), [(f"`{name}`", kind.about) for name, kind in FORMATS.items()])


@block
def decisions() -> str:
    """The decision records."""
    files = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    return "\n".join(f"- [{path.stem[:4]}](decisions/{path.name}) {title(path)}" for path in files)


def title(path: Path) -> str:
    """The first heading of a page, without its number."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return re.sub(r"^#\s*(\d{4}\W+)?", "", first)


if __name__ == "__main__":
    sys.exit(main())
