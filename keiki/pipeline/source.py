"""`--from`: the model of the user's own that a fit starts from, opened from a run, a bundle or a safetensors file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from keiki.artifacts import manifest
from keiki.artifacts.bundle import FOLDER, Bundle, find, followed
from keiki.artifacts.outputs import FEATURES
from keiki.artifacts.writer import WEIGHTS_FILE
from keiki.backbones.base import Backbone, SourceHead, load
from keiki.backbones.features import FeatureBank
from keiki.backbones.own import OwnBackbone, Weights, is_public, read_head, read_weights
from keiki.core.errors import BundleError, KeikiError, RequestError
from keiki.core.files import sha256_file
from keiki.core.options import near_miss
from keiki.data.load import Pieces
from keiki.data.task import Dataset, Items, Modality, Part
from keiki.engines.convert import relative_difference
from keiki.nn.linear import LinearHead
from keiki.nn.softmax import FloatArray, softmax
from keiki.nn.standardise import Standardiser
from keiki.pipeline.folder import DONE, REQUEST
from keiki.pipeline.public import public_backbone
from keiki.pipeline.request import FitRequest

SUFFIX = ".safetensors"
BODY = "backbone."  # what the tensors of a tuned body are called in a bundle
SAME = 1e-3  # of the largest feature: what the bundle's graph and the rebuilt network may differ by
FEWEST = 20  # items that the model has not seen, below which they alone cannot judge
PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib")
SAVE = "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"


@dataclass(frozen=True)
class Source:
    """A model of the user's own. place: its bundle folder or its file; bundle: None where it is a file alone."""

    name: str
    place: Path
    backbone: OwnBackbone
    bundle: Bundle | None
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """What it can name; empty where nobody knows."""
        if self.bundle is not None:
            return self.bundle.target.classes
        head = self.backbone.source_head()
        return () if head is None else head.classes

    @property
    def moved(self) -> bool:
        """Whether its body is another one than the public one."""
        return self.backbone.body is self.backbone

    def probabilities(self, items: Items, bank: FeatureBank) -> FloatArray:
        """What it says of `items` (N, C), calibrated as far as its file knows; a row of NaN where one cannot be read.

        bank: knows the items, for the features of a model without a graph.
        """
        if self.bundle is not None:
            return self.bundle.predict(items.raws).probabilities.astype(np.float64)
        head = self.backbone.source_head()
        if head is None:
            raise RequestError(f"Nobody knows what '{self.name}' can name.", hint="Start from a run or bundle.")
        return softmax(head.head.logits(bank.extract(self.backbone, items)))

    def seen(self) -> frozenset[str]:
        """SHA-256 of every item that it has learned from; empty where nobody has kept that."""
        return frozenset() if self.bundle is None else self.bundle.seen()


def locate(path: Path) -> Path:
    """The bundle folder or the safetensors file that is meant by `--from path`, without links; raises for all else."""
    path = followed(path)
    if path.name == WEIGHTS_FILE and (path.parent / manifest.FILE).is_file():
        path = path.parent
    if path.is_dir():
        return _bundle_of(path).resolve()
    _refuse_other_files(path)
    return path.resolve()


def digest_of(place: Path) -> str:
    """What a located model is known by: the digest in its bundle.json, or of its file."""
    if place.is_dir():
        return manifest.digest_of(place)
    return sha256_file(place)


def open_source(request: FitRequest, modality: Modality) -> Source | None:
    """The model that the request starts from, checked byte by byte; None where it starts from a public one.

    Raises RequestError where it is of another modality or architecture, or not what it was when the run began.
    """
    if request.source is None:
        return None
    place = locate(Path(request.source))
    if request.source_digest is not None and digest_of(place) != request.source_digest:
        raise RequestError(
            f"The model in '{place}' is not what it was when the run began.",
            hint="Put the old one back, or begin anew with another --out.",
        )
    return _from_bundle(place, request, modality) if place.is_dir() else _from_file(place, request, modality)


def only_trained_on(pieces: Pieces, source: Source | None) -> Pieces:
    """The pieces with the items that the source model has learned from marked as added, so that none of them judges.

    Items with a part of their own keep it: a given test set is the user's word. So does everything where too few items
    would be left to judge.
    """
    data = pieces.data
    seen = source.seen() if source else frozenset()
    rows = zip(data.parts, data.items.digests, strict=True)
    known = [part in ("", "train") and content in seen for part, content in rows]
    if not any(known) or isinstance(pieces.test, Dataset) or "test" in data.parts or not _judges(data, known):
        return pieces
    parts: list[Part] = ["added" if one else part for one, part in zip(known, data.parts, strict=True)]
    note = f"{sum(known)} items are known to the model that the fit starts from, and count as added."
    return replace(pieces, data=replace(data, parts=tuple(parts), notes=(*data.notes, note)))


def _judges(data: Dataset, known: list[bool]) -> bool:
    """Whether the items that are not known are enough to judge by: of two classes or more, two items of each."""
    left = Counter(label for label, one in zip(data.labels or (), known, strict=True) if not one)
    return left.total() >= FEWEST and sum(n > 1 for n in left.values()) > 1


def _bundle_of(path: Path) -> Path:
    run = path.parent if path.name == FOLDER else path
    if (run / REQUEST).is_file() and not (run / DONE).is_file():
        raise BundleError(f"The run '{run}' has not ended.", hint=f"Go on with it: keiki fit --resume --out {run}")
    if (path / "config.json").is_file() and not (path / manifest.FILE).is_file():
        raise RequestError(
            f"'{path}' is a model folder of transformers, not a run or bundle of keiki.",
            hint=f"Start from it as from a public one: --backbone hf:{path}",
        )
    return find(path)


def _refuse_other_files(path: Path) -> None:
    kind = path.suffix.lower()
    if kind in PICKLES:
        raise RequestError(
            f"'{path}' is pickled: such a file may run code when it is opened.",
            hint=f"Where it was made, save it as safetensors: {SAVE}",
        )
    if kind == ".onnx":
        raise RequestError(
            f"'{path}' is a graph to answer with; what is in it cannot be trained on.",
            hint=f"Name the run or bundle that it is of, or its weights as {SUFFIX}.",
        )
    if not path.exists():
        raise RequestError(f"There is no run, bundle or file '{path}' to start from.", hint=_nearby(path))
    if kind != SUFFIX or not path.is_file():
        raise RequestError(
            f"'{path}' is neither a run, a bundle nor a {SUFFIX} file.",
            hint="Name the folder that 'keiki fit' wrote, or a file of weights.",
        )


def _nearby(path: Path) -> str:
    parent = path.parent
    guess = near_miss(path.name, [each.name for each in parent.iterdir()]) if parent.is_dir() else None
    if guess:
        return f"Did you mean '{parent / guess}'?"
    return "A public model is named by --backbone; --from takes one of your own: RUN, BUNDLE or FILE.safetensors."


def _from_bundle(place: Path, request: FitRequest, modality: Modality) -> Source:
    bundle = Bundle.open(place)
    name = place.parent.name if place.name == FOLDER else place.name
    card = dict(bundle.facts["backbone"])
    _refuse_without_network(name, bundle, card)
    if bundle.modality != modality:
        raise RequestError(f"The model '{name}' is for {bundle.modality}s, but the data are {modality}s.")
    base = _base(name, str(card.get("base") or card["name"]), request)
    head = SourceHead(bundle.target.classes, _head_of(place))
    weights = _body_of(place, base, str(card["digest"]), name)
    known = _proven(OwnBackbone(name, base, weights, head, bundle.transform), bundle, name)
    backbone = OwnBackbone(name, base, weights, head if known else None, bundle.transform)
    notes = () if weights else (f"The body of '{name}' is the public '{base.card.name}'; only its head is its own.",)
    return Source(name, place, backbone, bundle, notes)


def _refuse_without_network(name: str, bundle: Bundle, card: Mapping[str, Any]) -> None:
    if bundle.modality == "vector":
        raise RequestError(
            f"The model '{name}' takes features as they are: there is no network in it to start from.",
            hint="Leave --from out.",
        )
    if not card.get("pretrained"):
        raise RequestError(
            f"The model '{name}' ({bundle.facts['method']}) brings nothing pretrained along: it stands on "
            f"'{card.get('name')}', which cannot be trained further.",
            hint="Leave --from out, or start from a run that stands on a pretrained backbone.",
        )


def _base(name: str, architecture: str, request: FitRequest) -> Backbone:
    """The public backbone that a bundle stands on; raises RequestError where the request names another one."""
    if request.backbone not in ("auto", architecture):
        raise RequestError(
            f"The model '{name}' stands on '{architecture}', but --backbone says '{request.backbone}'.",
            hint="Leave --backbone out.",
        )
    try:
        return load(architecture)
    except KeikiError as error:
        raise RequestError(
            f"The model '{name}' stands on '{architecture}', which cannot be opened here: {error.what}", hint=error.hint
        ) from error


def _body_of(place: Path, base: Backbone, digest: str, name: str) -> Weights | None:
    """The weights of a bundle's body; None where they are the public ones, whose digest is `digest`."""
    from safetensors import safe_open

    with safe_open(str(place / WEIGHTS_FILE), framework="np") as file:
        tuned = any(each.startswith(BODY) for each in list(file.keys()))
    if tuned:
        weights, _, _ = read_weights(place / WEIGHTS_FILE, base, what=f"The model '{name}'")
        return None if is_public(weights, base) else weights
    if base.card.digest != digest:
        raise RequestError(
            f"The model '{name}' stands on '{base.card.name}' with other weights than those on this machine.",
            hint="Start from the public one: leave --from out.",
        )
    return None


def _head_of(place: Path) -> LinearHead:
    """The head of a bundle on features as they are, its standardiser folded in, on the scale of its calibration."""
    from safetensors.numpy import load_file

    tensors = load_file(place / WEIGHTS_FILE)
    arrays = {name: np.asarray(tensor, np.float64) for name, tensor in tensors.items() if not name.startswith(BODY)}
    head = LinearHead(arrays["head.weight"], arrays["head.bias"])
    if "standardiser.mean" in arrays:
        head = head.fold_in(Standardiser(arrays["standardiser.mean"], arrays["standardiser.scale"]))
    temperature = float(arrays["temperature"])
    return LinearHead(head.weight / temperature, head.bias / temperature)


def _proven(backbone: OwnBackbone, bundle: Bundle, name: str) -> bool:
    """Whether the head of the bundle stands on what the rebuilt network gives: proven by both answering one input.

    It does not where something stands between (a hidden layer). Raises BundleError where it should, and the network
    answers otherwise than the bundle: another version of its library builds it differently.
    """
    from keiki.engines.torch import TorchEngine

    inputs, _ = backbone.examples(bundle.transform)
    ours, theirs = TorchEngine(backbone.module()).run(inputs), bundle.engine.run_all(inputs)[FEATURES]
    if ours.shape == theirs.shape and relative_difference(theirs, ours) <= SAME:
        return True
    if bundle.facts["options"].get("head", "linear") != "linear":
        return False
    raise BundleError(
        f"The network rebuilt from '{name}' does not answer like its bundle.",
        hint="Install the versions that it was made with; they stand in its run.json.",
    )


def _from_file(place: Path, request: FitRequest, modality: Modality) -> Source:
    base = public_backbone(request.backbone, modality)
    weights, found, texts = read_weights(place, base, what=f"'{place.name}'")
    classes, head = _classes(texts), None
    notes = [f"What '{place.name}' was trained on is not known here; test items among that would flatter the figures."]
    if found.head is not None and classes:
        weight, bias = read_head(place, found.head)
        head = SourceHead(classes, LinearHead(weight, bias)) if len(classes) == len(bias) else None
        why = f"its metadata name {len(classes)} classes, but it has {len(bias)} outputs"
    elif texts.keys() & {"classes", "id2label"}:
        why = "its metadata name its classes in no form that is known (a JSON list of different names, or id2label)"
    else:
        why = "the file does not name its classes"
    if found.head is not None and head is None:
        notes.append(f"The classifier in '{place.name}' was left: {why}.")
    body = None if is_public(weights, base) else weights
    if body is None:
        notes.append(f"The weights in '{place.name}' are those of the public '{base.card.name}'.")
    return Source(place.stem, place, OwnBackbone(place.stem, base, body, head), None, tuple(notes))


def _classes(texts: Mapping[str, str]) -> tuple[str, ...]:
    """Names of classes in the metadata of a safetensors file: `classes`, a JSON list, or `id2label`, an object."""
    try:
        if "classes" in texts:
            found = json.loads(texts["classes"])
        else:
            by_number = json.loads(texts.get("id2label", "{}"))
            found = [by_number[key] for key in sorted(by_number, key=int)]
    except (ValueError, AttributeError, TypeError):
        return ()
    names = tuple(map(str, found)) if isinstance(found, list) else ()
    return names if len(set(names)) == len(names) else ()
