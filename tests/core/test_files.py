"""Files that are whole or absent; what cannot be written is told by the name that the user gave."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from keiki.core import files


@pytest.mark.parametrize("verb", [lambda path: files.write_text(path, "x"), lambda path: _folder(path)])
def test_a_refusal_names_the_file_and_not_a_temporary_one(
    verb: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / ".part-8nmwer9j.csv"))

    monkeypatch.setattr(files.tempfile, "mkstemp", closed)
    monkeypatch.setattr(files.tempfile, "mkdtemp", closed)
    with pytest.raises(PermissionError) as caught:
        verb(tmp_path / "answers.csv")  # type: ignore[operator]
    assert caught.value.filename == str(tmp_path / "answers.csv")


def _folder(path: Path) -> None:
    with files.writing_folder(path):
        pass


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from keiki.core import files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
path = Path(sys.argv[1])
try:
    if sys.argv[2] == "tensors":
        files.write_tensors(path, {"a": np.zeros(1000)})
    elif sys.argv[2] == "bytes":
        files.write_bytes(path, bytes(5000))
    else:
        with files.writing_folder(path) as folder:
            files.write_tensors(folder / "a", {"a": np.zeros(1000)})
except OSError as error:
    print(error.errno, error.filename)
"""


@pytest.mark.parametrize("what", ["tensors", "bytes", "folder"])
def test_where_no_more_can_be_written_the_system_s_own_error_names_the_place(what: str, tmp_path: Path) -> None:
    path = tmp_path / "new"
    done = subprocess.run([sys.executable, "-c", FULL, str(path), what], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(errno.EFBIG), str(path)]
    assert list(tmp_path.iterdir()) == []


def test_what_the_system_says_of_another_file_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, files.writing(tmp_path / "new"):
        (tmp_path / "nowhere").read_bytes()
    assert caught.value.filename == str(tmp_path / "nowhere")


def test_tensors_are_read_back(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "scalar": np.array(2.5)}
    found = load_file(files.write_tensors(tmp_path / "t.safetensors", arrays))
    assert {name: (array.shape, array.tolist()) for name, array in found.items()} == {
        name: (array.shape, array.tolist()) for name, array in arrays.items()
    }
