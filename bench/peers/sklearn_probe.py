"""scikit-learn on eager torch embeddings, as many would write it: files in, predictions and a saved classifier out.

    python bench/peers/sklearn_probe.py DATA WEIGHTS.safetensors OUT.csv --jobs 1

The same EfficientNet-Lite0 weights through timm and eager torch (batch 32, all cores), standardised, then
`LogisticRegressionCV` with its ten penalties and five folds. Prints one JSON object.
"""

import argparse
import json
from pathlib import Path


def embed(files, weights):
    """Features (N, 1280) of picture files."""
    import numpy as np
    import timm
    import torch
    from PIL import Image

    overlay = {"file": str(weights)}
    net = timm.create_model("tf_efficientnet_lite0", pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0)
    net.eval()

    def tensor(file):
        with Image.open(file) as picture:
            pixels = np.asarray(picture.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC))
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float().div(127.5).sub(1)

    with torch.inference_mode():
        batches = [torch.stack([tensor(f) for f in files[i : i + 32]]) for i in range(0, len(files), 32)]
        return torch.cat([net(batch) for batch in batches]).numpy()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--penalties", type=int, default=10)
    options = parser.parse_args()

    from keiki.engines.torchvision_guard import ensure

    ensure()  # without it no timm beside a CPU-only torch; free where torchvision is sound

    import joblib
    import numpy as np
    import sklearn
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    files = {side: sorted((options.data / side).glob("*/*.png")) for side in ("train", "test")}
    features = {side: embed(paths, options.weights) for side, paths in files.items()}
    labels = {side: np.array([path.parent.name for path in paths]) for side, paths in files.items()}
    head = LogisticRegressionCV(
        Cs=options.penalties,
        cv=5,
        l1_ratios=(0,),
        use_legacy_attributes=False,
        scoring="neg_log_loss",
        max_iter=1000,
        n_jobs=options.jobs,
    )
    model = make_pipeline(StandardScaler(), head).fit(features["train"], labels["train"])
    predicted = model.predict(features["test"])
    rows = [f"{path.name},{label}" for path, label in zip(files["test"], predicted, strict=True)]
    options.out.write_text("\n".join(["file,label", *rows]) + "\n", encoding="utf-8")
    joblib.dump(model, options.out.with_suffix(".joblib"))
    facts = {
        "accuracy": float((predicted == labels["test"]).mean()),
        "versions": {"scikit-learn": sklearn.__version__},
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
