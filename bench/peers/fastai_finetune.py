"""fastai as its quick start does it: `vision_learner(...).fine_tune(10)`, then `export`. Runs in bench/.venv.

    python bench/peers/fastai_finetune.py DATA WEIGHTS.safetensors OUT --seed 0

One frozen and ten unfrozen epochs, batch 32, 224 pixels, fastai's own augmentation, one-cycle schedule, discriminative
rates and workers. fastai validates after every epoch; the seconds of that are counted apart, so that the comparison
need not charge it for what keiki does not do. Prints one JSON object.
"""

import argparse
import importlib.util
import json
import sys
import time
import warnings
from pathlib import Path

GUARD = Path(__file__).resolve().parents[2] / "keiki" / "engines" / "torchvision_guard.py"
ARCHITECTURE = "tf_efficientnet_lite0"


def load_guard() -> None:
    """torchvision beside a CPU-only torch needs keiki's guard; loaded by path, keiki is not installed here."""
    spec = importlib.util.spec_from_file_location("torchvision_guard", GUARD)
    guard = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = guard
    spec.loader.exec_module(guard)
    guard.ensure()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    load_guard()

    import fastai
    import torch
    from fastai.callback.core import Callback
    from fastai.vision.all import ImageDataLoaders, Resize, accuracy, aug_transforms, set_seed, vision_learner

    class ValidationClock(Callback):
        seconds = 0.0

        def before_validate(self) -> None:
            self._start = time.perf_counter()

        def after_validate(self) -> None:
            type(self).seconds += time.perf_counter() - self._start

    set_seed(options.seed)
    loaders = ImageDataLoaders.from_folder(
        options.data,
        train="train",
        valid="test",
        bs=32,
        seed=options.seed,
        item_tfms=Resize(224),
        batch_tfms=aug_transforms(),
    )
    learner = vision_learner(
        loaders,
        ARCHITECTURE,
        metrics=accuracy,
        cbs=ValidationClock(),
        pretrained_cfg_overlay={"file": str(options.weights)},
    )
    start = time.perf_counter()
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(options.epochs)
        trained = time.perf_counter() - start
        validation = ValidationClock.seconds
        probabilities, labels = learner.get_preds()
        learner.export(options.out.resolve())
    facts = {
        "accuracy": (probabilities.argmax(1) == labels).float().mean().item(),
        "fine_tune_seconds": round(trained, 3),
        "validation_seconds": round(validation, 3),
        "epochs": options.epochs,
        "threads": torch.get_num_threads(),
        "versions": {"fastai": fastai.__version__, "torch": torch.__version__},
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
