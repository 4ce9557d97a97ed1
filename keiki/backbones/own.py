"""A model of the user's own as a backbone: a public architecture with the weights, the head or both of an earlier fit.

OwnBackbone
├── base     the public backbone: preprocessing, architecture, stages; `public` gives it back
├── weights  tensors of the body in a safetensors file; None where the body is the public one (a probe)
└── head     class names and linear head of the task that it was made for, if they are known
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from keiki.backbones.base import FAMILIES, Backbone, Card, SourceHead, Stage, load
from keiki.backbones.matching import Match, Shape, match
from keiki.core.errors import KeikiError, RequestError
from keiki.core.files import digest, sha256_bytes, sha256_file
from keiki.data.transforms.base import Array, Transform

if TYPE_CHECKING:
    from torch import Tensor, nn

PREFIX = "own:"
PACKAGES = ("torch", "timm", "transformers")  # what the same weights compute hangs on


@dataclass(frozen=True)
class OwnCard(Card):
    """A card that names the public backbone, too, by which the architecture is loaded again."""

    base: str = ""


@dataclass(frozen=True)
class Weights:
    """Tensors of a body in a safetensors file. sha256: of the file; digest: of the tensors; names: name in the network
    -> name in the file."""

    path: Path
    sha256: str
    digest: str
    names: Mapping[str, str]

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by their names in the network; raises RequestError where the file is not what it was."""
        if not self.path.is_file() or sha256_file(self.path) != self.sha256:
            state = "was changed" if self.path.is_file() else "is gone"
            raise RequestError(f"The file '{self.path}' {state} while keiki was using it.", hint="Restore it.")
        with _opened(self.path) as file:
            return {ours: file.get_tensor(theirs) for ours, theirs in self.names.items()}


@final
class OwnBackbone(Backbone):
    """Features (B, D) of a public architecture with weights of the user's own.

    first: the preprocessing that the model was made with, which then is the default one.
    """

    def __init__(
        self,
        name: str,
        base: Backbone,
        weights: Weights | None = None,
        head: SourceHead | None = None,
        first: Transform | None = None,
    ) -> None:
        self._base = base
        self._weights = weights
        self._head = head
        self._first = first
        what = "weights" if weights else "head"
        facts = asdict(base.card) | {
            "name": f"{PREFIX}{name}",
            "digest": _digest(base, weights, head),
            "origin": f"{what} of the user's own ({name}) on {base.card.name}: {base.card.origin}",
        }
        self.card = OwnCard(**facts, base=base.card.name)

    @property
    def public(self) -> Backbone:
        return self._base

    @property
    def body(self) -> Backbone:
        return self if self._weights else self._base

    def transforms(self) -> dict[str, Transform]:
        """Those of the public backbone, beginning with the one that the model was made with."""
        ways = self._base.transforms()
        first = None if self._first is None else self._first.to_json()
        return dict(sorted(ways.items(), key=lambda way: way[1].to_json() != first))

    @property
    def network_width(self) -> int:
        return self._base.network_width

    def module(self) -> nn.Module:
        """A fresh network with the user's weights, in eval mode."""
        module = self._base.module()
        if self._weights is not None:
            module.load_state_dict(self._weights.tensors(), strict=False)  # that none misses was checked on opening
        return module

    def stages(self) -> tuple[Stage, ...]:
        return self._base.stages()

    def source_head(self) -> SourceHead | None:
        """The head of the task that the model was made for, on features as they are; None where none is known."""
        return self._head

    def own_weights(self) -> dict[str, Array]:
        tensors = {} if self._weights is None else self.module().state_dict()
        return {name: tensor.numpy() for name, tensor in tensors.items()}

    def examples(self, transform: Transform) -> tuple[dict[str, Array], dict[str, Array]]:
        return self._base.examples(transform)

    def graph(self, transform: Transform, folder: Path) -> Path | None:
        """The ONNX graph, under the digest of the user's weights; of the public network where the body is its."""
        if self._weights is None:
            return self._base.graph(transform, folder)
        from keiki.engines.convert import convert

        identity = digest({"own": self.card.digest, **{name: version(name) for name in PACKAGES}})
        return convert(self.module, *self.examples(transform), identity, folder)

    def randomised(self, seed: int) -> Backbone:
        return self._base.randomised(seed)


def read_weights(path: Path, base: Backbone, *, what: str) -> tuple[Weights, Match, dict[str, str]]:
    """The tensors in `path` as weights of `base`, how they lie on it, and the text that the file carries besides.

    what: how a message calls the file. Raises RequestError where it is damaged, or holds another network: then with the
    tensors that miss or differ, and the listed backbone that it fits, if there is one; or where adapters stand in it.
    """
    with _opened(path) as file:
        shapes: dict[str, Shape] = {name: tuple(file.get_slice(name).get_shape()) for name in _names(file)}
        notes: dict[str, str] = file.metadata() or {}
    _refuse_adapters(shapes, what)
    found = match(shapes, _shapes(base), base.network_width)
    if not found.fits:
        raise RequestError(
            f"{what} is no '{base.card.name}': {found.troubles() or 'it holds no tensor'}.", hint=_advice(shapes, base)
        )
    return Weights(path, sha256_file(path), _checked(path, found, what), found.names), found, notes


def is_public(weights: Weights, base: Backbone) -> bool:
    """Whether the tensors are those of the public network, bit by bit: training may keep what it began with."""
    import torch

    public = base.module().state_dict()
    return all(torch.equal(tensor, public[name]) for name, tensor in weights.tensors().items())


def read_head(path: Path, names: tuple[str, str]) -> tuple[Any, Any]:
    """Weight (C, D) and bias (C,) of the linear layer called so, in float64."""
    with _opened(path) as file:
        weight, bias = (file.get_tensor(name).double().numpy() for name in names)
    return weight, bias


def _refuse_adapters(shapes: Mapping[str, Shape], what: str) -> None:
    """They bend what goes from layer to layer, so the public architecture without them is another network."""
    from keiki.nn.adapters import NAME

    if any(NAME in name.split(".") for name in shapes):
        raise RequestError(
            f"{what} holds adapters, which a fit cannot start from.",
            hint="Start from a run of lora, film or fine-tune, whose changes are plain weights.",
        )


def _checked(path: Path, found: Match, what: str) -> str:
    """Digest of the tensors of the body; raises RequestError for values that are no numbers."""
    import torch

    digests = {}
    with _opened(path) as file:
        for ours, theirs in sorted(found.names.items()):
            tensor = file.get_tensor(theirs).contiguous()
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise RequestError(
                    f"{what} holds values that are no numbers, in '{theirs}'.",
                    hint="Take an earlier state of it: a network with such weights answers nothing.",
                )
            digests[ours] = [str(tensor.dtype), sha256_bytes(tensor.view(-1).view(torch.uint8).numpy().tobytes())]
    return digest(digests)


def _digest(base: Backbone, weights: Weights | None, head: SourceHead | None) -> str:
    """All that the answers depend on: the architecture, the tensors, the head."""
    own = None if head is None else [list(head.classes), head.head.weight.tolist(), head.head.bias.tolist()]
    return digest([base.card.name, base.card.digest, weights and weights.digest, own])


def _shapes(backbone: Backbone) -> dict[str, Shape]:
    return {name: tuple(tensor.shape) for name, tensor in backbone.module().state_dict().items()}


def _advice(shapes: Mapping[str, Shape], base: Backbone) -> str:
    """What the file looks like among the backbones that can be opened here, or what kinds of file will do."""
    for family in FAMILIES.values():
        for name in family.listed():
            if _holds(shapes, name) and name != base.card.name:
                kind = load(name).card.modality
                if kind != base.card.modality:
                    return f"It looks like '{name}', which is for {kind}s, not for {base.card.modality}s."
                return f"It looks like '{name}'. If it is: --backbone {name}"
    return "Name the architecture that it was made of: --backbone NAME (see: keiki backbones)"


def _holds(shapes: Mapping[str, Shape], name: str) -> bool:
    try:
        backbone = load(name)
        return match(shapes, _shapes(backbone), backbone.network_width).fits
    except KeikiError:
        return False  # it has no network, or cannot be opened here: then it is not what we look for


def _names(file: Any) -> list[str]:
    return list(file.keys())


def _opened(path: Path) -> Any:
    """The file, for a `with`; raises RequestError where it is no safetensors file or not all of it is there."""
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(str(path), framework="pt")
    except (SafetensorError, OSError) as error:
        raise RequestError(
            f"'{path}' cannot be read as safetensors: {error}.", hint="Copy it again from where it was made."
        ) from error
