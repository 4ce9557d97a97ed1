"""The floors of the design, proved from the imports: downward only, and no cycle among modules."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import keiki

FLOORS = tuple(
    """core engines data metrics nn backbones transferability methods training evaluation artifacts selection serving
    pipeline testing cli""".split()  # noqa: SIM905  (reads as the staircase it is)
)
ROOT = Path(keiki.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py") if "sample" not in path.parts)


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    """Names of our modules that a file imports anywhere, type checking included."""
    known = {name_of(each) for each in MODULES}
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("keiki.")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("keiki"):
            module = node.module or ""
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                found.add(inner if inner in known else module)
    return found


def floor_of(module: str) -> int | None:
    parts = module.split(".")
    return FLOORS.index(parts[1]) if len(parts) > 1 and parts[1] in FLOORS else None


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_downward_only(path: Path) -> None:
    own = floor_of(name_of(path))
    if own is None:
        return
    upward = [each for each in imports_of(path) if (floor_of(each) or 0) > own]
    assert not upward, f"{name_of(path)} stands on floor '{FLOORS[own]}' and imports {upward} from above"


def test_no_cycle_among_modules() -> None:
    graph = {name_of(path): imports_of(path) for path in MODULES}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module in done:
            return
        for inner in sorted(graph.get(module, ())):
            visit(inner, (*trail, module))
        done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_every_folder_is_a_floor() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert folders == set(FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_are_small(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 400, f"{name_of(path)} has {lines} lines; split it by ideas"


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py" and p.parent != ROOT], ids=name_of)
def test_package_inits_are_empty(path: Path) -> None:
    assert not path.read_text(encoding="utf-8").strip()
