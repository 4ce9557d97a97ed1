"""NumPy's files as data: what is taken for what, what is refused, and nothing is ever unpickled."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris

from keiki.core.errors import ColumnError, DataError
from keiki.core.files import sha256_bytes
from keiki.data.sources.arrays import read_vectors, shelved_arrays
from keiki.data.sources.base import Request, read
from keiki.data.split import make_task

X = np.arange(24, dtype=np.float32).reshape(8, 3) ** 0.5
Y = np.array(["cat", "dog"] * 4)


def npz(folder: Path, name: str = "rows.npz", **arrays: Any) -> Path:
    np.savez(folder / name, **arrays)
    return folder / name


def matrix(data: Any) -> np.ndarray:
    return np.stack(data.items.raws)


def test_features_and_labels_are_found_by_name(tmp_path: Path):
    found = read(npz(tmp_path, X=X, y=Y))
    assert (found.name, found.items.modality, found.labels) == ("rows", "vector", tuple(Y.tolist()))
    np.testing.assert_array_equal(matrix(found), X)
    assert found.items.ids[:2] == ("row 1", "row 2")
    assert found.notes == (
        "'X' was taken for the features, by name.",
        "'y' was taken for the labels, by name.",
    )


def test_a_digest_is_that_of_type_length_and_bytes(tmp_path: Path):
    found = read(npz(tmp_path, X=X, y=Y))
    assert found.items.digests[1] == sha256_bytes(b"float32 (3,) " + X[1].tobytes())
    doubles = read(npz(tmp_path, "doubles.npz", X=X.astype(np.float64), y=Y))
    swapped = read(npz(tmp_path, "swapped.npz", X=np.asfortranarray(X).astype(">f4"), y=Y))
    assert doubles.items.digests == swapped.items.digests == found.items.digests


def test_groups_names_classes_and_a_split_are_understood(tmp_path: Path):
    split = ["train"] * 6 + ["test"] * 2
    arrays = {"groups": [1, 1, 2, 2, 3, 3, 4, 4], "ids": list("abcdefgh"), "split": split}
    found = read(npz(tmp_path, features=X, labels=[0, 1] * 4, class_names=["cat", "dog"], **arrays))
    assert found.labels == tuple(Y.tolist())
    assert found.groups == ("1", "1", "2", "2", "3", "3", "4", "4")
    assert found.items.ids == tuple("abcdefgh")
    assert found.parts == tuple(split)
    assert "Rows with the same entry in 'groups' are kept together." in found.notes


def test_a_split_of_which_some_words_are_unknown_is_refused(tmp_path: Path):
    path = npz(tmp_path, X=X, y=Y, split=["train"] * 7 + ["tset"])
    with pytest.raises(DataError, match="'tset' is no part"):
        read(path)
    assert set(read(npz(tmp_path, X=X, y=Y, split=["left", "right"] * 4)).parts) == {""}


def test_parts_by_name_become_parts_of_the_data(tmp_path: Path):
    path = npz(tmp_path, X_train=X[:5], y_train=Y[:5], x_test=X[5:], y_test=Y[5:], classes=[])
    found = read(path)
    assert found.parts == ("train",) * 5 + ("test",) * 3
    assert found.labels == tuple(Y.tolist())
    task = make_task(found, seed=0)
    assert (task.protocol, len(task.test)) == ("given", 3)


def test_parts_of_different_width_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="different numbers of features"):
        read(npz(tmp_path, X_train=X, y_train=Y, X_test=X[:, :2], y_test=Y))


def test_asked_names_count_and_a_wrong_one_is_answered_with_the_near_miss(tmp_path: Path):
    path = npz(tmp_path, X=X, codes=X + 1, y=Y, animal=Y[::-1], place=[1, 2] * 4)
    found = read(path, Request(input="codes", label="animal", group="place"))
    np.testing.assert_array_equal(matrix(found), X + 1)
    assert found.labels == tuple(Y[::-1].tolist())
    assert found.groups == ("1", "2") * 4
    with pytest.raises(ColumnError, match=r"no array 'animals' for --label\. Did you mean 'animal'"):
        read(path, Request(label="animals"))
    assert read(path, Request(label="animals", strict=False)).labels == tuple(Y.tolist())


def test_names_that_say_nothing_are_listed_with_their_shapes(tmp_path: Path):
    with pytest.raises(ColumnError, match=r"'left' \(8 x 3 float32\)"):
        read(npz(tmp_path, left=X, right=X))
    with pytest.raises(ColumnError, match="holds no labels"):
        read(npz(tmp_path, X=X))
    assert read(npz(tmp_path, X=X), Request(labelled=False)).labels is None


def test_labels_lie_beside_a_single_array(tmp_path: Path):
    np.save(tmp_path / "X_train.npy", X)
    np.save(tmp_path / "y_train.npy", Y)
    found = read(tmp_path / "X_train.npy")
    assert found.labels == tuple(Y.tolist())
    assert found.notes == ("The labels were taken from 'y_train.npy', which lies beside.",)
    np.save(tmp_path / "other.npy", Y[::-1])
    assert read(tmp_path / "X_train.npy", Request(label="other.npy")).labels == tuple(Y[::-1].tolist())
    np.save(tmp_path / "labels_train.npy", Y)
    with pytest.raises(ColumnError, match="could be 'y_train.npy', 'labels_train.npy'"):
        read(tmp_path / "X_train.npy")
    with pytest.raises(ColumnError, match="no .npy file"):
        read(tmp_path / "X_train.npy", Request(label="gone.npy"))
    with pytest.raises(ColumnError, match="single array"):
        read(tmp_path / "X_train.npy", Request(group="groups"))


def test_rows_that_are_not_finite_and_labels_that_are_missing_are_listed(tmp_path: Path):
    bad = X.astype(np.float64).copy()
    bad[0, 1], bad[1, 2], bad[2, 0] = np.nan, np.inf, 1e300
    labels = Y.copy()
    labels[3] = ""
    found = read(npz(tmp_path, X=bad, y=labels))
    assert [(each.id, each.reason) for each in found.skipped] == [
        ("row 1", "feature 2 of 3 is missing or not a number"),
        ("row 2", "feature 3 of 3 is infinite, or too large for a 32-bit number"),
        ("row 3", "feature 1 of 3 is infinite, or too large for a 32-bit number"),
        ("row 4", "no label"),
    ]
    assert found.items.ids == ("row 5", "row 6", "row 7", "row 8")
    assert len(found.labels or ()) == 4


def test_rows_without_a_time_are_listed(tmp_path: Path):
    days = np.arange(8).astype("datetime64[D]")
    days[2] = np.datetime64("NaT")
    found = read(npz(tmp_path, X=X, y=Y, day=days), Request(time="day"))
    assert [(each.id, each.reason) for each in found.skipped] == [("row 3", "no time")]
    assert found.times == tuple(86_400.0 * day for day in range(8) if day != 2)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"X": X[:, 0], "y": Y}, r"must be rows x features.*\(N, 1\)"),
        ({"X": X.reshape(2, 2, 6), "y": Y[:2]}, r"2 x 2 x 6.*reshape"),
        ({"X": X[:0], "y": Y[:0]}, "empty"),
        ({"X": X[:, :0], "y": Y}, "empty"),
        ({"X": np.array(5.0), "y": Y}, "one entry for each|an entry for each|a single value"),
        ({"X": X.astype(str), "y": Y}, "holds texts"),
        ({"X": X.astype(complex), "y": Y}, "complex"),
        ({"X": X.astype("datetime64[s]"), "y": Y}, "holds dates"),
        ({"X": X, "y": Y[:5]}, "an entry for each of 8 rows"),
        ({"X": X, "y": np.ones((8, 2))}, "not one-hot"),
        ({"X": X, "y": X[:, 0] + 0.5, "classes": ["a"]}, "holds fractions"),
        ({"X": X, "y": [0, 1] * 4, "classes": ["cat"]}, "names of the classes go from 0 to 0"),
        ({"X": X, "y": np.arange(8).astype("datetime64[D]")}, "name no classes"),
        ({"X": np.zeros(8, dtype=[("a", "f4")]), "y": Y}, "records"),
    ],
)
def test_what_is_no_matrix_with_labels_is_refused_with_its_shape(tmp_path: Path, arrays: dict[str, Any], said: str):
    path = npz(tmp_path, **arrays)
    with pytest.raises(DataError, match=said):
        read(path)


def test_a_quantity_is_no_label(tmp_path: Path):
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="different numbers in 100 rows"):
        read(npz(tmp_path, X=rng.normal(size=(100, 2)), y=rng.normal(size=100)))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([True, False] * 4, ["True", "False"] * 4),
        (np.array([1.0, 2.0] * 4), ["1", "2"] * 4),
        (np.array([[1], [2]] * 4), ["1", "2"] * 4),
        (np.eye(2)[[0, 1] * 4], ["0", "1"] * 4),
        (np.array([-1, 1] * 4, dtype=np.int8), ["-1", "1"] * 4),
        (np.array(["é".encode(), b" b "] * 4), ["é", "b"] * 4),
    ],
)
def test_labels_of_any_type_become_names(tmp_path: Path, labels: Any, expected: list[str]):
    assert read(npz(tmp_path, X=X, y=labels)).labels == tuple(expected)


@pytest.mark.parametrize("values", [np.arange(24).reshape(8, 3), X > 2, X.astype(np.float16), X.astype(np.float64)])
def test_numbers_of_any_type_become_32_bit(tmp_path: Path, values: np.ndarray):
    found = read(npz(tmp_path, X=values, y=Y))
    assert found.items.raws[0].dtype == np.float32  # type: ignore[union-attr]
    np.testing.assert_allclose(matrix(found), values.astype(np.float64), rtol=1e-6)
    assert not any("32-bit" in note for note in found.notes)


def test_digits_that_are_lost_are_said(tmp_path: Path):
    stamps = 1.7e9 + np.arange(24.0).reshape(8, 3)
    (note,) = [each for each in read(npz(tmp_path, X=stamps, y=Y)).notes if "32-bit" in each]
    assert "3 of 3 features" in note
    constant = np.full((8, 1), 0.1)
    assert not [each for each in read(npz(tmp_path, X=constant, y=Y)).notes if "32-bit" in each]


def test_nothing_is_unpickled(tmp_path: Path):
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "exploded"),)

    np.savez(tmp_path / "a.npz", X=X, y=np.array([Bomb()] * 8, dtype=object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Bomb()))
    np.save(tmp_path / "c.npy", np.array([[Bomb()]], dtype=object), allow_pickle=True)
    for name in ("a.npz", "b.npy", "c.npy"):
        with pytest.raises(DataError, match="objects|cannot be read"):
            read(tmp_path / name)
    assert not (tmp_path / "exploded").exists()
    np.savez(tmp_path / "d.npz", X=X, y=Y, extra=np.array([Bomb()], dtype=object), allow_pickle=True)
    assert len(read(tmp_path / "d.npz")) == 8  # what is not asked for does no harm


def test_a_size_is_not_believed(tmp_path: Path):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**6)})
    (tmp_path / "huge.npy").write_bytes(head.getvalue() + bytes(100))
    with pytest.raises(DataError, match="says that it holds"):
        read(tmp_path / "huge.npy", Request(labelled=False))
    with zipfile.ZipFile(tmp_path / "huge.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", head.getvalue() + bytes(100))
    with pytest.raises(DataError, match="says that it holds"):
        read(tmp_path / "huge.npz", Request(labelled=False))


def test_a_bomb_is_not_inflated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("keiki.data.npy.FREE_BYTES", 2**20)
    np.savez_compressed(tmp_path / "bomb.npz", X=np.zeros((2000, 1000), np.float32), y=np.zeros(2000))
    with pytest.raises(DataError, match="100 times the file"):
        read(tmp_path / "bomb.npz")


def test_damage_of_any_kind_is_an_error_in_words(tmp_path: Path):
    """Cut anywhere, flipped anywhere: a clear refusal, or data of the right shape; never another exception."""
    rng = np.random.default_rng(0)
    sound = npz(tmp_path, X=X, y=Y).read_bytes()
    np.save(tmp_path / "rows.npy", X)
    single = (tmp_path / "rows.npy").read_bytes()
    for i in range(300):
        data = bytearray(single if i % 3 == 0 else sound)
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        cut = len(data) if i % 2 else int(rng.integers(len(data)))
        path = tmp_path / (f"{i}.npy" if i % 3 == 0 else f"{i}.npz")
        path.write_bytes(bytes(data[:cut]))
        said, found = "", None
        try:
            found = read(path, Request(labelled=False))
        except DataError as error:
            said = str(error)
        assert path.name in said or (found is not None and found.items.modality == "vector")


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"not a zip", b"\x93NUMPY"])
def test_files_of_something_else_are_refused(tmp_path: Path, content: bytes):
    for name in ("a.npz", "a.npy"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            read(tmp_path / name)


@pytest.mark.parametrize("kind", ["pair", "list", "bunch", "frame", "mapping"])
def test_arrays_in_memory_are_written_once_by_their_content(tmp_path: Path, kind: str):
    bunch = load_iris(as_frame=kind == "frame")
    data: Any = {
        "pair": (bunch.data, bunch.target),
        "list": (bunch.data.tolist(), [str(each) for each in bunch.target]) if kind == "list" else None,
        "bunch": bunch,
        "frame": bunch,
        "mapping": {"X": bunch.data, "y": bunch.target, "groups": np.arange(150) // 2},
    }[kind]
    path = shelved_arrays(data, tmp_path)
    before = path.stat().st_mtime_ns
    assert shelved_arrays(data, tmp_path) == path
    assert path.stat().st_mtime_ns == before
    assert path.is_relative_to(tmp_path)
    found = read(path)
    assert len(found) == 150
    named = kind in ("bunch", "frame")
    assert sorted(set(found.labels or ())) == (["setosa", "versicolor", "virginica"] if named else ["0", "1", "2"])
    assert found.name == ("iris" if named else "arrays")
    np.testing.assert_allclose(matrix(found), np.asarray(bunch.data), rtol=1e-6)
    assert (found.groups is not None) == (kind == "mapping")


def test_other_content_is_another_file(tmp_path: Path):
    paths = {shelved_arrays((X + i, Y), tmp_path) for i in range(3)} | {shelved_arrays((X, Y[::-1]), tmp_path)}
    assert len(paths) == 4
    assert read(shelved_arrays(X, tmp_path), Request(labelled=False)).labels is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (5, "type 'int'"),
        ("photos", "type 'str'"),
        ((X, Y[:3]), "3 labels for 8 rows"),
        (([[1], [2, 3]], [0, 1]), "cannot be made a matrix"),
        ((["a text", "another"], [0, 1]), "texts"),
        ({"a": X}, "names no features"),
        ((X[:, 0], Y), "rows x features"),
    ],
)
def test_what_is_no_array_is_refused_with_what_is_known(tmp_path: Path, data: object, said: str):
    with pytest.raises(DataError, match=said):
        shelved_arrays(data, tmp_path)
    assert not any(tmp_path.iterdir())


def test_sparse_matrices_are_told_what_to_do(tmp_path: Path):
    from scipy.sparse import csr_array

    with pytest.raises(DataError, match="toarray"):
        shelved_arrays((csr_array(X), Y), tmp_path)


def test_labels_that_are_objects_become_texts_and_missing_ones_stay_missing(tmp_path: Path):
    labels = np.array(["cat", None, "dog", float("nan"), "cat", "dog", "cat", "dog"], dtype=object)
    found = read(shelved_arrays((X, labels), tmp_path))
    assert found.labels == ("cat", "dog", "cat", "dog", "cat", "dog")
    assert [each.id for each in found.skipped] == ["row 2", "row 4"]


def test_a_model_of_rows_reads_npz_npy_and_tables_of_numbers(tmp_path: Path):
    np.save(tmp_path / "f.npy", X)
    lines = ["a,b,c", *(",".join(map(str, row)) for row in X.tolist())]
    (tmp_path / "f.csv").write_text("\n".join(lines), encoding="utf-8")
    for path in (npz(tmp_path, X=X), tmp_path / "f.npy", tmp_path / "f.csv"):
        np.testing.assert_array_equal(matrix(read_vectors(path)), X)
