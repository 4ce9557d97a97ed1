"""keiki new method NAME"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from keiki.cli import output
from keiki.core.errors import RequestError, UnknownName

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_HOME = "keiki.methods"  # the package, and the entry-point group of plug-ins

_METHOD = Template('''\
"""$title: one sentence on the idea."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keiki.core import options
from keiki.core.options import option
from keiki.data.task import TrainView
from keiki.methods.base import METHODS, Method, Model, Phase, Solve
from keiki.methods.linear_probe import solve_head


@METHODS.add("$name")
class $kind(Method):
    """Two sentences on the idea, then the formula. As written by `keiki new` this is a linear probe; change `phases`.

    minimise  mean_i -log softmax(W z_i + b)[y_i] + penalty / 2 * |W|^2,   z = (features - mean) / scale
    Source: Author and Author year, "Title", arXiv:0000.00000, equation 1. Deviation: none.
    """

    name = "$name"
    family = "feature extraction"
    paper = "arXiv:0000.00000"
    title = "$title"

    @dataclass(frozen=True, kw_only=True)
    class Config(options.Config):
        penalty: float = option(0.0, "strength of the ridge penalty on the head; 0 chooses it by cross-validation")

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield Solve("head", lambda: solve_head(model, view, self.config.penalty))
''')


def new(
    kind: Annotated[str, typer.Argument(metavar="method", help="what to begin")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="its name: small letters, digits, hyphens")],
    folder: Annotated[Path | None, typer.Option(metavar="DIR", help="where to write; default keiki/methods")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Begin a method: one new file that already keeps every promise of the contract.

    The file holds a linear probe under the new name. In keiki/methods it is found at once; a package of your own names
    it in its entry points, in the group keiki.methods.

    \b
    Example:
      keiki new method my-method --folder .
    """
    if kind != "method":
        raise UnknownName("kind of thing to begin", kind, ["method"])
    path = (folder or _home()) / f"{name.replace('-', '_')}.py"
    _refuse_unfit(name, path)
    from keiki.core.files import write_text

    write_text(path, skeleton(name))
    if as_json:
        output.emit_json({"method": name, "file": str(path)})
        return
    output.emit(f"method: {path}")
    output.emit(f"next:   write its idea into it, then: {_next(name, folder)}")


def skeleton(name: str) -> str:
    """The file of a new method.

    >>> [line for line in skeleton("my-method").splitlines() if line.startswith("class")]
    ['class MyMethod(Method):']
    """
    words = name.split("-")
    return _METHOD.substitute(name=name, title=" ".join(words), kind="".join(word.capitalize() for word in words))


def _home() -> Path:
    return Path(import_module(_HOME).__path__[0])


def _refuse_unfit(name: str, path: Path) -> None:
    if not _NAME.fullmatch(name):
        raise RequestError(f"'{name}' is no name for a method.", hint="Small letters, digits and hyphens: deep-coral")
    from keiki.methods.base import METHODS

    if name in METHODS.names():
        raise RequestError(f"There is a method '{name}' already.", hint=f"See it: keiki methods {name}")
    if path.exists():
        raise RequestError(f"'{path}' is there already.", hint="Choose another name, or another folder by --folder.")


def _next(name: str, folder: Path | None) -> str:
    if folder is None:
        return f"keiki methods {name}; pytest tests/contract -k {name}"
    return f"name it in pyproject.toml: [project.entry-points.'{_HOME}'] {name} = '{name.replace('-', '_')}'"
