"""Real data by package manager: fetched once into bench/.cache, unpacked there, never installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

CACHE = Path(__file__).resolve().parent / ".cache"
EMOJI = "emoji-datasource-twitter@16.0.0"  # npm; graphics CC-BY 4.0, names MIT
OPENMOJI = "openmoji@17.0.0"  # npm; SVG in colour and in black lines; CC-BY-SA 4.0
RESVG = "resvg-py==0.5.0"  # wheel; turns SVG into pictures; MIT
FASHION = "dataset-fashion-mnist"  # apt; MIT
FORTUNES = "fortunes"  # apt; texts of many lengths


def npm(package: str) -> Path:
    """The folder of an npm package's files."""
    home = CACHE / "packages" / package.replace("/", "-")
    if not (home / "package").is_dir():
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", package], cwd=home, check=True, capture_output=True)
        with tarfile.open(next(home.glob("*.tgz"))) as archive:
            archive.extractall(home, filter="data")
    return home / "package"


def apt(package: str) -> Path:
    """The root folder of a Debian package's files."""
    home = CACHE / "packages" / package
    if not (home / "root").is_dir():
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", package], cwd=home, check=True, capture_output=True)
        subprocess.run(["dpkg", "-x", next(home.glob("*.deb")).name, "root"], cwd=home, check=True)
    return home / "root"


def wheel(package: str) -> Path:
    """The folder of a Python package's wheel, to be put on `sys.path` by who wants it; PIP_FLAGS as in the Makefile."""
    home = CACHE / "packages" / package
    if not (home / "root").is_dir():
        home.mkdir(parents=True, exist_ok=True)
        flags = os.environ.get("PIP_FLAGS", "").split()
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *flags]
        subprocess.run([*command, package], cwd=home, check=True)
        with zipfile.ZipFile(next(home.glob("*.whl"))) as archive:
            archive.extractall(home / "part")
        (home / "part").rename(home / "root")  # whole or absent
    return home / "root"
