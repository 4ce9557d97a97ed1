"""What the docs say of the code is what the code says: generated parts, links, verbs, options."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from keiki.cli.main import main, verbs

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^(?:.*\| )?keiki (?P<verb>[a-z]+)(?P<rest>.*)$", re.MULTILINE)
FENCE = re.compile(r"^```sh.*?\n(.*?)^```", re.DOTALL | re.MULTILINE)
MOST_BYTES = 200_000


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def make_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_parts_are_not_stale(make_docs: ModuleType) -> None:
    stale = [name(p) for p in make_docs.pages() if make_docs.filled(p) != p.read_text(encoding="utf-8")]
    assert not stale, f"run: python tools/make_docs.py ({', '.join(stale)})"


def test_every_block_is_used_somewhere(make_docs: ModuleType) -> None:
    asked = {found[2] for page in PAGES for found in make_docs.BLOCK.finditer(page.read_text(encoding="utf-8"))}
    assert asked == set(make_docs.BLOCKS)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    lost = [
        target
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not target.startswith("#") and not (page.parent / target.partition("#")[0]).exists()
    ]
    assert not lost


def anchors(path: Path) -> set[str]:
    """What may stand after # in a link to this page."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_anchors_lead_to_headings(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        if anchor and "://" not in target:
            assert anchor in anchors(page.parent / file if file else page), target


def commands() -> Iterator[tuple[str, str, str]]:
    """Page, verb and the rest of every command in a block for the shell."""
    for page in PAGES:
        for text in FENCE.findall(page.read_text(encoding="utf-8")):
            for found in COMMAND.finditer(text):
                yield name(page), found["verb"], found["rest"].partition("#")[0]


def test_commands_use_verbs_and_options_that_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    found = list(commands())
    assert found
    for page, verb, rest in found:
        assert verb in verbs(), f"{page}: keiki {verb}"
        assert main([verb, "--help"]) == 0
        known = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
        assert set(re.findall(r"(?<= )--[a-z][a-z-]*", rest)) <= known, f"{page}: keiki {verb}{rest}"


def test_the_picture_is_small() -> None:
    assert (ROOT / "docs" / "images" / "report.png").stat().st_size < MOST_BYTES


def test_decisions_have_their_parts() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [page.stem[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.stem[:4]}. "), name(page)
        for part in ("## Context", "## Choice", "## Rejected", "## When to revisit"):
            assert f"\n{part}\n" in text, f"{name(page)}: {part}"
