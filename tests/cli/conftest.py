"""Bundles of a few kilobytes, made once."""

from pathlib import Path

import pytest

from keiki.artifacts.writer import write_bundle
from keiki.testing.bundles import image_handover, text_handover


@pytest.fixture(scope="session")
def text_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text") / "bundle"
    write_bundle(folder, text_handover())
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="session")
def image_bundle(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    folder = tmp_path_factory.mktemp("image") / "bundle"
    write_bundle(folder, image_handover(pictures))
    return folder
