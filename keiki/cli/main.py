"""The command line: one file a verb in this folder, imported only when its verb is called.

A verb is a module here with a function of its own name: `predict.py` holds `predict`. It returns None or an exit code
and raises KeikiError; this file turns errors into one message and the exit code 0 (done), 1 (the work failed),
2 (the request or the data is wrong) or 130 (interrupted).
"""

from __future__ import annotations

import errno
import functools
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from keiki.cli import output
from keiki.core.errors import KeikiError, RequestError, UnknownName

_HELPERS = frozenset({"main", "output", "progress"})  # modules here that are no verbs
_INTERRUPTED = 130
_DEBUG = "--debug"
_JSON = "--json"
_SETTINGS = {"help_option_names": ["-h", "--help"]}


class Verbs(TyperGroup):
    """The verbs, found in this folder."""

    def list_commands(self, ctx: Any) -> list[str]:
        return verbs()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _command(cmd_name) if cmd_name in verbs() else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in verbs() and not args[0].startswith("-"):
            raise UnknownName("verb", args[0], verbs())
        return super().resolve_command(ctx, args)


def verbs() -> list[str]:
    """The names of all verbs, sorted."""
    folder = import_module("keiki.cli")
    return sorted(each.name for each in pkgutil.iter_modules(folder.__path__) if each.name not in _HELPERS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    flags = given[: given.index("--")] if "--" in given else given
    as_json, debug = _JSON in flags, _DEBUG in flags
    given = [each for each in flags if each != _DEBUG] + given[len(flags) :]  # every verb takes it, none declares it
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a sign that the terminal lacks must not end a run
    try:
        code = _group()(args=given, prog_name="keiki", standalone_mode=False)
        sys.stdout.flush()
        if code == _INTERRUPTED:  # typer turns Ctrl-C into this code
            output.say("keiki: stopped.")
        return int(code or 0)
    except (KeyboardInterrupt, typer.Abort):
        output.say("keiki: stopped.")
        return _INTERRUPTED
    except (BrokenPipeError, _Unread):  # whoever read our output has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        return _report(_explain(error, debug), as_json)


def _group() -> Any:
    app = typer.Typer(
        cls=Verbs,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        invoke_without_command=True,
        context_settings=_SETTINGS,
        subcommand_metavar="VERB ...",
        help="Transfer learning with the proof that transfer helped.\n\n"
        "\b\nTry:  keiki demo\n      keiki fit photos/\n      keiki predict runs/last photo.jpg",
    )
    app.callback()(_everywhere)
    return typer.main.get_command(app)


def _everywhere(
    ctx: typer.Context,
    debug: bool = typer.Option(False, _DEBUG, help="Show the traceback of an error."),
    version: bool = typer.Option(False, "--version", help="Show the version and stop.", is_eager=True),
) -> None:
    if version:
        import keiki

        output.emit(f"keiki {keiki.__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        output.emit(ctx.get_help())


def _command(name: str) -> Any:
    """The command of a verb: its function's signature gives the options, its docstring the help."""
    function = getattr(import_module(f"keiki.cli.{name}"), name)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    first = (function.__doc__ or "").partition("\n")[0].rstrip(".")
    app.command(name, context_settings=_SETTINGS, short_help=first)(_sheltered(function))
    return typer.main.get_command(app)


def _sheltered(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, whose BrokenPipeError reaches `main`; typer would end the process with code 1."""

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except BrokenPipeError as error:
            raise _Unread from error

    return called


class _Unread(Exception):
    """Nobody reads our output any more."""


def _explain(error: Exception, debug: bool) -> KeikiError:
    """`error` as one of ours: what, and what to do next."""
    if isinstance(error, KeikiError):
        return error
    if isinstance(error, typer.TyperException):  # options and arguments that do not fit
        return RequestError(_sentence(error.format_message()), hint=_usage(error))
    if isinstance(error, OSError):
        what = f"{error.strerror or error}: '{error.filename}'." if error.filename else f"{error}."
        return _Trouble(what, hint=_cure(error))
    hint = "" if debug else "--debug shows the traceback."
    return KeikiError(f"This is a bug in keiki ({type(error).__name__}: {error}).", hint=hint)


def _cure(error: OSError) -> str:
    """What to do about a full disk, and about a place that the user never named: the cache."""
    from keiki.core.places import CURE, cache_root

    if isinstance(error.filename, str) and Path(error.filename).is_relative_to(cache_root()):
        return CURE
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space there; a fit that was cut goes on by: keiki fit --resume"
    return ""


class _Trouble(KeikiError):
    """The system refused: no space, no permission."""


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"Help: {context.command_path} --help" if context is not None else "Help: keiki --help"


def _report(error: KeikiError, as_json: bool) -> int:
    if as_json:
        kind = type(error).__name__.lstrip("_")
        output.emit_json({"error": {"kind": kind, "what": error.what, "hint": error.hint, "exit": error.exit_code}})
    else:
        output.say(f"keiki: {error}")
    return error.exit_code
