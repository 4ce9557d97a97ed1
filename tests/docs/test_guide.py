"""Every command of the guide runs, in the order in which it stands there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide"
FENCE = re.compile(r"^```sh(?: exit=(\d+))?\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCK_SECONDS = 500
ONE_THREAD = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}  # of the tests; a person's commands use all cores


def blocks(page: Path) -> Iterator[tuple[str, int]]:
    """Each block of commands with the exit code that the page gives it."""
    for code, commands in FENCE.findall(page.read_text(encoding="utf-8")):
        yield commands, int(code or 0)


def run(commands: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The commands in bash, with this source tree and the scripts of this environment in front."""
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    own = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    env = {**own, "PATH": os.pathsep.join(paths), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail", "-c", commands],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=BLOCK_SECONDS,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", sorted(GUIDE.glob("*.md")), ids=lambda path: path.stem)
def test_every_command_of_the_guide_runs(page: Path, tmp_path: Path) -> None:
    found = list(blocks(page))
    assert len(found) > 5, "the guide is made of commands"
    for commands, code in found:
        done = run(commands, tmp_path)
        told = f"{commands}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == code, f"exit code {done.returncode} instead of {code} from:\n{told}"
        assert "Traceback" not in done.stderr, told
        if code:
            assert done.stderr.splitlines()[-1].startswith("keiki: "), told
