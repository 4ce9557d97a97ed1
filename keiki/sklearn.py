"""keiki as a scikit-learn classifier, for rows of numbers, texts and pictures.

    from keiki.sklearn import KeikiClassifier

    cross_val_score(KeikiClassifier(), X, y)            # a matrix or a DataFrame of numbers
    KeikiClassifier().fit(texts, y).predict(["where is my parcel"])
    KeikiClassifier().fit(paths, y).predict_proba(["photo.jpg"])

One selection on all rows, as `keiki fit` ends with; the proof (estimate, controls, report, bundle) is what `keiki.fit`
is for. Wrong input is a ValueError, as everywhere in scikit-learn.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data

from keiki.core.errors import DataError, RequestError, UnreadableItem
from keiki.core.files import sha256_bytes
from keiki.data.deal import clusters
from keiki.data.names import listing
from keiki.data.passage import legible
from keiki.data.picture import SUFFIXES, read_file
from keiki.data.task import Index, Items, Modality, Target
from keiki.pipeline.light import learn
from keiki.pipeline.request import Controls, FitRequest

Listed = list[str | Path]
_LOOKED_AT = 100  # values of a column of a DataFrame
_MODALITIES = ("auto", "vector", "text", "image")


class KeikiClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Transfer learning behind scikit-learn's interface: a frozen backbone and a regularised linear head.

    X: a matrix or DataFrame of numbers (taken as features, standardised), or a list, Series or array of texts or of
    paths of pictures. modality: 'auto' tells by X; else 'vector', 'text' or 'image'. backbone, method, options,
    controls and seed as in `keiki.fit`; controls='none' leaves out the models without pretraining that may win.
    Probabilities are calibrated on out-of-fold answers. The same data, parameters and machine give the same answers.

    Fitted: classes_ (C,), modality_, method_ (what won), and for rows of numbers n_features_in_ and, from a DataFrame,
    feature_names_in_.

    >>> X = np.array([[0.0], [0.2], [0.4], [2.0], [2.2], [2.4]])
    >>> KeikiClassifier().fit(X, ["low"] * 3 + ["high"] * 3).predict([[0.1], [2.3]]).tolist()
    ['low', 'high']
    """

    def __init__(
        self,
        *,
        modality: Literal["auto", "vector", "text", "image"] = "auto",
        backbone: str = "auto",
        method: str = "auto",
        options: Mapping[str, object] | None = None,
        controls: Controls = "quick",
        seed: int = 0,
    ) -> None:
        self.modality = modality
        self.backbone = backbone
        self.method = method
        self.options = options
        self.controls = controls
        self.seed = seed

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Select and fit on all rows. groups (N,): rows that belong together; they are never parted by a fold."""
        listed = self._listed(X)
        if listed is None:
            rows, y = validate_data(self, X, y, dtype=np.float64)
            self.modality_: Modality = "vector"
        else:
            y = validate_data(self, y=y)
            check_consistent_length(listed, y)
            self.modality_ = _modality_of(listed) if self.modality == "auto" else self.modality
            self.__dict__.pop("n_features_in_", None)  # of an earlier fit on numbers
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"KeikiClassifier tells classes apart, but y holds one class only: {classes[0]!r}.")
        with _value_errors():
            items = _vectors(rows) if listed is None else _items(self.modality_, listed)
            target = Target(tuple(map(str, range(len(classes)))))
            found = learn(self._request(), items, target, labels.astype(np.int64), _together(items, groups))
        self.classes_ = classes
        self.method_ = found.method
        self._learned = found
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Calibrated probabilities (N, C), columns in the order of classes_."""
        check_is_fitted(self)
        listed = self._listed(X) if self.modality_ != "vector" else None
        if self.modality_ == "vector":
            _refuse_columns(X)
            rows = validate_data(self, X, dtype=np.float64, reset=False)
        elif listed is None:
            raise ValueError(f"This KeikiClassifier was fitted on {_NOUNS[self.modality_]}, but X holds none.")
        with _value_errors():
            items = _vectors(rows) if listed is None else _items(self.modality_, listed)
            return self._learned.probabilities(items)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable class of each row (N,)."""
        shares = self.predict_proba(X)
        return np.asarray(self.classes_[shares.argmax(axis=1)])

    def _listed(self, X: Any) -> Listed | None:
        """X as a list of texts or paths; None where it is a matrix of numbers."""
        if self.modality not in _MODALITIES:
            raise ValueError(f"modality must be one of {', '.join(_MODALITIES)}, but got {self.modality!r}.")
        listed = None if self.modality == "vector" else _strings(X)
        if listed is None:
            _refuse_columns(X)
        if listed is None and self.modality in ("text", "image"):
            raise ValueError(f"X must be a list of {_NOUNS[self.modality]}, as modality={self.modality!r} says.")
        return listed

    def _request(self) -> FitRequest:
        return FitRequest(
            data="",
            method=self.method,
            backbone=self.backbone,
            options=tuple(f"{name}={value}" for name, value in (self.options or {}).items()),
            controls=self.controls,
            seed=self.seed,
        )


_NOUNS = {"text": "texts", "image": "paths of pictures", "vector": "rows of numbers"}


def _strings(X: Any) -> Listed | None:
    """The texts or paths in a list, a Series, or an array or DataFrame of one column; None where there are none.

    Raises ValueError where only some of the entries are texts.
    """
    column = X
    if hasattr(X, "iloc"):
        column = X.iloc[:, 0] if X.ndim == 2 and X.shape[1] == 1 else X
        values = column.tolist() if column.ndim == 1 else []
    elif isinstance(X, np.ndarray):
        one = X.ndim == 1 or (X.ndim == 2 and X.shape[1] == 1)
        values = X.reshape(-1).tolist() if one and X.dtype.kind in "UO" else []
    else:
        values = list(X) if isinstance(X, Sequence) and not isinstance(X, str | bytes) else []
    is_text = [isinstance(value, str | os.PathLike) for value in values]
    if not any(is_text):
        return None
    if not all(is_text):
        row = is_text.index(False)
        raise ValueError(f"X mixes texts with something else: row {row} is {values[row]!r}.")
    return [value if isinstance(value, str) else Path(value) for value in values]


def _refuse_columns(X: Any) -> None:
    """Raise ValueError for a DataFrame whose columns are neither all numbers nor a single one of texts, by their names.

    Dates and texts beside numbers are no features, and how several texts are to be joined is not ours to guess.
    """
    if not (hasattr(X, "iloc") and getattr(X, "ndim", 0) == 2):
        return
    columns = {name: X.iloc[:, at] for at, name in enumerate(X.columns)}
    if dates := [name for name, column in columns.items() if column.dtype.kind in "mM"]:
        raise ValueError(
            f"Column {listing(dates)} of X holds dates, which are no features. Leave it out, or make numbers of it, as "
            f"X[{dates[0]!r}].dt.month is one."
        )
    texts = [name for name, column in columns.items() if any(isinstance(value, str) for value in _first(column))]
    if texts and len(texts) == len(columns):
        joined = " + '\\n' + ".join(f"X[{name!r}]" for name in texts)
        raise ValueError(f"X has {len(texts)} columns of texts: {listing(texts)}. Join them into one: {joined}")
    if texts:
        raise ValueError(
            f"Column {listing(texts)} of X holds texts beside columns of something else. Give one column of texts, as "
            f"X[{texts[0]!r}], or numbers only."
        )


def _first(column: Any) -> list[Any]:
    """What a column may hold besides numbers; a sample, for what it is called by."""
    return [] if column.dtype.kind in "biufc" else list(column.dropna().iloc[:_LOOKED_AT])


def _modality_of(listed: Listed) -> Modality:
    """Pictures, where every entry is a path or ends like the name of a picture; else texts.

    >>> _modality_of(["a.jpg", "b.PNG"]), _modality_of(["where is a.jpg", "here"])
    ('image', 'text')
    """
    pictures = all(isinstance(each, Path) or Path(each).suffix.lower() in SUFFIXES for each in listed)
    return "image" if pictures else "text"


def _items(modality: Modality, listed: Listed) -> Items:
    """Texts, or pictures by path, as items; raises DataError for the first that cannot be read."""
    raws: list[str | Path] = []
    digests = []
    for row, each in enumerate(listed):
        try:
            if modality == "image":
                raws.append(Path(each))
                digests.append(sha256_bytes(read_file(Path(each))))
            else:
                raws.append(legible(str(each)))
                digests.append(sha256_bytes(str(raws[-1]).encode("utf-8")))
        except UnreadableItem as problem:
            name = f" ('{each}')" if modality == "image" else ""
            raise DataError(f"Row {row}{name} cannot be read: {problem.reason}.") from problem
    return Items(modality, tuple(f"row {row}" for row in range(len(listed))), tuple(raws), tuple(digests))


def _vectors(rows: npt.NDArray[np.float64]) -> Items:
    """Rows of numbers as items, in all their digits: nothing is written down, so nothing is rounded."""
    raws: tuple[Any, ...] = tuple(rows)
    return Items("vector", tuple(map(str, range(len(rows)))), raws, tuple(sha256_bytes(row.tobytes()) for row in rows))


def _together(items: Items, groups: Any) -> Index:
    """Cluster numbers (N,): declared groups, and for texts and pictures exact copies. Equal numbers may be chance."""
    keys: list[Sequence[Any]] = [[None] * len(items)]
    if groups is not None:
        declared = column_or_1d(groups)
        check_consistent_length(declared, items.ids)
        keys.append(declared.tolist())
    if items.modality != "vector":
        keys.append(items.digests)
    return clusters(*keys)


@contextlib.contextmanager
def _value_errors() -> Iterator[None]:
    """What is wrong with the request or the data, as scikit-learn's callers expect to hear it."""
    try:
        yield
    except (DataError, RequestError) as error:
        raise ValueError(str(error)) from error
