"""keiki predict RUN INPUT..."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from keiki.cli import output
from keiki.cli.progress import progress
from keiki.core.errors import RequestError
from keiki.core.spreadsheet import write_rows

if TYPE_CHECKING:
    from keiki.artifacts.bundle import Bundle
    from keiki.serving.predictor import Row, Wish

_SUFFIXES = (".csv", ".jsonl")
_ERRORS_SHOWN = 20


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder or a bundle folder")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="files, folders, a table, or - for lines")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="write to this file, .csv or .jsonl")] = None,
    column: Annotated[
        str | None, typer.Option("--input", metavar="COL", help="column of a table with the input")
    ] = None,
    files: Annotated[Path | None, typer.Option(metavar="DIR", help="folder in which the files of a table lie")] = None,
    accuracy: Annotated[
        float | None, typer.Option(metavar="SHARE", help="wanted among accepted answers; default as asked of the fit")
    ] = None,
    set_level: Annotated[
        float | None, typer.Option(metavar="SHARE", help="adds sets of classes that hold the true one so often")
    ] = None,
    augment: Annotated[
        int | None, typer.Option(metavar="N", help="pictures: averages the answers to N views, 2 to 12; N times slower")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object, with every probability")] = False,
) -> int:
    """Predict the class of pictures or texts.

    A table is read by the columns of the fit, unless --input names others.

    Every input gets a line: input,label,probability,decision,runner_up,error. The decision is 'accept' where the
    probability is high enough for the accuracy that was asked for, 'unfamiliar' where the input is unlike all that the
    model learned from, else 'check'. --set-level adds a column, set: all classes that are likely enough, joined by ';'.
    --augment asks about several views of each picture: as it is, mirrored unless the classes are told by their sides,
    its middle and corners. The thresholds of the decision stay those that the fit found for one view.
    What cannot be read gets a line with the reason; the exit code is 2 only if nothing could be predicted.
    In CSV a cell that a spreadsheet would compute (it begins with = + - @ and is no number) has an apostrophe in front;
    .jsonl and --json give it as it is.

    \b
    Examples:
      keiki predict runs/last photo.jpg
      keiki predict runs/last new-photos/ --out answers.csv --accuracy 0.9
      keiki predict runs/last photo.jpg --set-level 0.9 --augment 12
      echo "where is my parcel" | keiki predict runs/last -
    """
    if out is not None and (out.suffix.lower() not in _SUFFIXES or out.is_dir()):
        raise RequestError(f"--out must name a file that ends in .csv or .jsonl, but got '{out}'.")
    from keiki.artifacts.bundle import Bundle
    from keiki.core.record import Record
    from keiki.data.sources.base import Request
    from keiki.serving.inputs import gather
    from keiki.serving.predictor import Wish, rows, unmet

    bundle = Bundle.open(run)
    wish = Wish(accuracy, set_level, augment)
    for line in unmet(bundle, wish):
        output.say(f"keiki: {line}")
    found = gather(inputs, bundle.modality, _lines, Request(input=column, files=files), bundle.columns)
    for note in found.notes:
        output.say(f"keiki: {note}")
    tally = _Tally()
    with progress(quiet or len(found.items) < bundle.batch_size) as listener:
        record = Record(listeners=(listener,))
        told = rows(bundle, found.items, lambda done, total: record.progress("predict", done, total), wish)
        delivery = _Delivery(str(run), out, as_json, wish.fields, _thresholds(bundle, wish))
        delivery.deliver(tally.count(told), tally)
    tally.say_errors()
    return 2 if tally.n_errors == tally.n else 0


class _Tally:
    """Counts the rows that pass, and keeps those with an error."""

    def __init__(self) -> None:
        self.n = 0
        self.n_errors = 0
        self._kept: list[str] = []

    def count(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self.n += 1
            if row.error is not None:
                self.n_errors += 1
                if len(self._kept) < _ERRORS_SHOWN:
                    self._kept.append(f"  {row.input}: {row.error}")
            yield row

    def say_errors(self) -> None:
        if not self.n_errors:
            return
        output.say(f"keiki: {self.n_errors} of {self.n} inputs could not be read:")
        for line in self._kept:
            output.say(line)
        if self.n_errors > len(self._kept):
            output.say(f"  and {self.n_errors - len(self._kept)} more; the 'error' column names all of them")


def _lines() -> Iterator[str]:
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # a bad byte must not end the whole input
    yield from sys.stdin


@dataclass(frozen=True)
class _Delivery:
    """Where the rows go, and in which form."""

    run: str
    out: Path | None
    as_json: bool
    fields: tuple[str, ...]
    thresholds: dict[str, float | None]

    def deliver(self, answers: Iterable[Row], tally: _Tally) -> None:
        if self.out is not None:
            self._write(self.out, answers)
        kept = [] if self.out is not None else list(answers) if self.as_json or sys.stdout.isatty() else None
        if kept is None:
            self._as_csv(sys.stdout, answers)
        elif self.as_json:
            place = {"out": str(self.out)} if self.out else {"predictions": [row.to_json() for row in kept]}
            facts = {"run": self.run, "n": tally.n, "n_errors": tally.n_errors, "thresholds": self.thresholds}
            output.emit_json({**facts, **place})
        elif kept:
            output.emit_table(self.fields, [row.cells(self.fields) for row in kept])

    def _write(self, out: Path, answers: Iterable[Row]) -> None:
        from keiki.core.files import writing

        write: Callable[[TextIO, Iterable[Row]], None]
        write = self._as_csv if out.suffix.lower() == ".csv" else _as_lines
        with writing(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            write(file, answers)

    def _as_csv(self, file: TextIO, answers: Iterable[Row]) -> None:
        write_rows(file, itertools.chain([self.fields], (row.cells(self.fields) for row in answers)))


def _as_lines(file: TextIO, answers: Iterable[Row]) -> None:
    import json

    file.writelines(json.dumps(row.to_json(), ensure_ascii=False, allow_nan=False) + "\n" for row in answers)


def _thresholds(bundle: Bundle, wish: Wish) -> dict[str, float | None]:
    """What the decisions rest on, for --json."""
    known = bundle.thresholds
    return {
        "accuracy": wish.accuracy or known.asked,
        "accept": known.accept_from(wish.accuracy),
        "unfamiliar": known.unfamiliar,
        "set_level": wish.set_level,
        **({} if wish.augment is None else {"views": wish.augment}),
    }
