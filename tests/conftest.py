"""What every test stands on: one thread, no network, no user folder touched."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before NumPy and torch are imported: they read these once. One thread makes timings and last bits repeatable.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"

# Beside other test processes each has a core of its own, also for what it starts: two threads that share one core with
# another process are many times slower than one.
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """As many test processes as cores that this one may use, at most four: each needs about 1 GiB."""
    return min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh home: no test reads or fills the caches of whoever runs it."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("XDG_CACHE_HOME", str(folder / ".cache"))
        yield folder


@pytest.fixture(scope="session")
def moderated_scaler() -> type:
    """A witness for scikit-learn's pipelines: each column's variance drawn toward the columns' mean, item by item."""
    import numpy as np
    from sklearn.base import BaseEstimator, TransformerMixin

    class ModeratedScaler(TransformerMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, X, y=None):  # type: ignore[no-untyped-def]
            columns = [[float(value) for value in column] for column in np.asarray(X).T]
            self.means = [sum(column) / len(column) for column in columns]
            pairs = zip(columns, self.means, strict=True)
            own = [sum((value - mean) ** 2 for value in column) / len(column) for column, mean in pairs]
            common = sum(own) / len(own)
            self.scales = [((len(X) * one + 3 * common) / (len(X) + 3)) ** 0.5 for one in own]
            return self

        def transform(self, X):  # type: ignore[no-untyped-def]
            return (np.asarray(X, dtype=np.float64) - self.means) / self.scales

    return ModeratedScaler


# Bundles of a few kilobytes, made once.


@pytest.fixture(scope="session")
def text_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from keiki.artifacts.writer import write_bundle
    from keiki.testing.bundles import text_handover

    folder = tmp_path_factory.mktemp("text") / "bundle"
    write_bundle(folder, text_handover())
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="session")
def image_bundle(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    from keiki.artifacts.writer import write_bundle
    from keiki.testing.bundles import image_handover

    folder = tmp_path_factory.mktemp("image") / "bundle"
    write_bundle(folder, image_handover(pictures))
    return folder
