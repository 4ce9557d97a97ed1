"""Files that are whole or absent; what cannot be written is told by the name that the user gave."""

from __future__ import annotations

from pathlib import Path

import pytest

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
