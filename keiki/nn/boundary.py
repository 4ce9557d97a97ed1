"""Cutting a network in two at a stage, without knowing its family.

The lower part is run once and its activation kept; the upper part is run by the network's *own* forward, in which
every module below the cut answers at once with something of the right shape, and the last one of them with the kept
activation. So class tokens, masks, positions and poolings stay the network's own business. Replaying blocks one after
the other does not do: they stand between such things.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from keiki.core.errors import KeikiError

Arrays = Mapping[str, npt.NDArray[np.generic]]

# What a network raises that does not take what the modules below the cut answer in their own place.
ODD = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, AssertionError)


class NoBoundary(KeikiError):
    """A network cannot be cut there; `what` says why."""


class OddForward(KeikiError):
    """The network's own forward, or its gradient, has failed while it was being cut; `what` tells its error.

    Not a `NoBoundary`: it need not be so again, since memory may have run out.
    """


@dataclass(frozen=True)
class Answer:
    """What a module that is left out answers: one item's output, and what each axis follows.

    axes: for each axis 'batch', 'length' or None (as recorded).
    """

    tensor: Tensor
    axes: tuple[str | None, ...]

    def like(self, sizes: Mapping[str, int]) -> Tensor:
        """The recorded output for a batch of these sizes; its values mean nothing."""
        thin = self.tensor
        for axis, follows in enumerate(self.axes):
            if follows is not None:
                thin = thin.narrow(axis, 0, 1)
        return thin.expand([sizes[f] if f else n for f, n in zip(self.axes, thin.shape, strict=True)])


@dataclass(frozen=True)
class Cut:
    """A place between two stages. Make one with `cut`.

    last: name of the module whose output is kept. below: what the modules before it answer. shape: axes of the kept
    output, None where they are free (batch, length). inputs: shapes of the network's inputs likewise.
    """

    last: str
    below: Mapping[str, Answer]
    axes: tuple[str | None, ...]
    shape: tuple[int, ...]
    inputs: Mapping[str, tuple[tuple[str | None, ...], tuple[int, ...], torch.dtype]]

    def upper(self, body: nn.Module, activation: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        """What `body` makes of a kept activation (B, ...); inputs that are not given count as zeros."""
        with self.placed(body, activation, inputs) as given:
            out: Tensor = body(**given)
            return out

    @contextlib.contextmanager
    def placed(
        self, body: nn.Module, activation: Tensor, inputs: Mapping[str, Tensor]
    ) -> Iterator[Mapping[str, Tensor]]:
        """For as long as this lasts `body` begins at a kept activation; gives the inputs that it is called with."""
        sizes = {follows: activation.shape[axis] for axis, follows in enumerate(self.axes) if follows}
        given = {name: inputs[name] if name in inputs else self._zeros(name, sizes, activation) for name in self.inputs}
        with _answering(body, {name: answer.like(sizes) for name, answer in self.below.items()}, self.last, activation):
            yield given

    def _zeros(self, name: str, sizes: Mapping[str, int], like: Tensor) -> Tensor:
        axes, shape, dtype = self.inputs[name]
        return torch.zeros((), dtype=dtype, device=like.device).expand(
            [sizes[follows] if follows else n for follows, n in zip(axes, shape, strict=True)]
        )


def cut(body: nn.Module, stages: Sequence[Sequence[str]], example: Arrays, witness: Arrays) -> Cut:
    """Cut `body` after `stages` (names of their modules and loose parameters, from the input on).

    example, witness: two sets of named inputs that differ in every size that may vary. Raises NoBoundary where the
    modules answer with more than one tensor, or in sizes that follow neither the batch nor the length; OddForward where
    the network itself fails.
    """
    modules = dict(body.named_modules())
    names = [name for stage in stages for name in stage if name in modules]
    if not names:
        raise NoBoundary("the frozen stages hold no module")
    last = names[-1]
    with _asleep(body):
        names = [*_bare_below(body, names, example), *names]
        first, second = (_outputs(body, names, each) for each in (example, witness))
    sizes = _free_sizes(example, witness)
    found = {name: _axes(first[name], second[name], sizes, name) for name in names if name in first}
    if last not in found:
        raise NoBoundary(f"'{last}' is not called in a forward pass")
    below = {name: Answer(first[name].detach()[:1].clone(), axes) for name, axes in found.items() if name != last}
    inputs = {
        name: (_axes(torch.tensor(a), torch.tensor(witness[name]), sizes, name), a.shape, torch.tensor(a).dtype)
        for name, a in example.items()
    }
    return Cut(last, below, found[last], tuple(first[last].shape), inputs)


def lower(body: nn.Module, last: str) -> nn.Module:
    """`body`, changed so that it answers with what its module `last` gives; for an engine or a converter."""
    kept: list[Tensor] = []
    whole = body.forward

    @wraps(whole)
    def forward(*args: Any, **named: Any) -> Tensor:
        kept.clear()
        whole(*args, **named)
        return kept.pop()

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        kept.append(_one(output, last).clone())  # what follows may work in place

    body.get_submodule(last).register_forward_hook(keep)
    body.forward = forward
    return body


def difference(body: nn.Module, at: Cut, inputs: Arrays, moving: Collection[str] = ()) -> float:
    """How far the upper part is from the whole: the largest relative gap of the features and of all gradients above.

    Measured on `inputs` in eval mode, in the precision of the weights; 0 where the cut is exact. moving: names of the
    parameters that may be trained; infinite where one of them has a gradient in the whole alone, as it works below the
    cut. Raises OddForward.
    """
    with _asleep(body):
        given = _tensors(body, inputs)
        kept = _outputs(body, [at.last], inputs)[at.last]
        whole = _with_gradient(body, given)
        with at.placed(body, kept.detach(), given) as inside:
            upper = _with_gradient(body, inside)
    above = {name: gradient for name, gradient in upper[1].items() if gradient is not None}
    gaps = [_gap(upper[0], whole[0])] + [_gap(g, whole[1][name]) for name, g in above.items()]
    missed = any(whole[1][name] is not None and name not in above for name in moving)
    return float("inf") if missed else max(gaps)


def _with_gradient(body: nn.Module, given: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor | None]]:
    """Features, and the gradient of each parameter of a sum of them; None where a parameter has no part in it."""
    parameters = dict(body.named_parameters())
    before = {name: p.requires_grad for name, p in parameters.items()}
    body.requires_grad_(True)
    try:
        features = _forward(body, given)
        if not features.requires_grad:  # nothing above the cut could move
            return features, dict.fromkeys(parameters)
        weights = torch.linspace(-1, 1, features.shape[-1]).to(features)
        total = (features * weights).sum()
        with _as_its_own():
            found = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
        return features.detach(), dict(zip(parameters, found, strict=True))
    finally:
        for name, p in parameters.items():
            p.requires_grad_(before[name])


def _forward(body: nn.Module, given: Mapping[str, Tensor]) -> Tensor:
    with _as_its_own():
        out: Tensor = body(**given)
    return out


@contextlib.contextmanager
def _as_its_own() -> Iterator[None]:
    """Turn what the network itself raises into an OddForward; put nothing of ours inside."""
    try:
        yield
    except ODD as error:
        raise OddForward(f"the network's own forward fails there: {type(error).__name__}: {error}") from error


def _gap(ours: Tensor, theirs: Tensor | None) -> float:
    if theirs is None:
        return float("inf")
    scale = float(theirs.abs().max())
    gap = float((ours - theirs).abs().max())
    return gap / scale if scale else gap


def _outputs(body: nn.Module, names: Sequence[str], inputs: Arrays) -> dict[str, Tensor]:
    """What each named module answers in one forward pass of `inputs`; raises NoBoundary for more than a tensor."""
    found: dict[str, Tensor] = {}

    def keep(name: str, output: Any) -> None:
        found[name] = _one(output, name).clone()  # what follows may work in place

    _watch(body, {name: body.get_submodule(name) for name in names}, inputs, keep)
    return found


def _watch(body: nn.Module, modules: Mapping[str, nn.Module], inputs: Arrays, tell: Callable[[str, Any], None]) -> None:
    """One forward pass of `inputs`; each of the modules, as it answers, is told of with what it answers."""
    handles = [
        module.register_forward_hook(lambda _module, _args, output, name=name: tell(name, output))
        for name, module in modules.items()
    ]
    try:
        with torch.no_grad():
            _forward(body, _tensors(body, inputs))
    finally:
        for handle in handles:
            handle.remove()


def _bare_below(body: nn.Module, names: Sequence[str], inputs: Arrays) -> list[str]:
    """Modules without parts or parameters (activations, poolings) that stand between the named ones, below the last.

    Only those that are called once: one that is shared may have work above the cut too.
    """
    calls: list[str] = []
    bare = {
        name: module
        for name, module in body.named_modules()
        if not any(True for _ in module.children())
        and not any(True for _ in module.parameters())
        and not any(name.startswith(f"{each}.") for each in names)
    }
    watched = {**bare, names[-1]: body.get_submodule(names[-1])}
    _watch(body, watched, inputs, lambda name, _: calls.append(name))
    below = calls[: calls.index(names[-1])] if names[-1] in calls else []
    return [name for name in below if calls.count(name) == 1]


@contextlib.contextmanager
def _asleep(body: nn.Module) -> Iterator[None]:
    """Eval mode, with gradients to be had whatever surrounds it; each module gets its own mode back."""
    modes = {module: module.training for module in body.modules()}
    body.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad(), torch.autocast(_device(body).type, enabled=False):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _device(body: nn.Module) -> torch.device:
    return next(body.parameters()).device


def _tensors(body: nn.Module, inputs: Arrays) -> dict[str, Tensor]:
    device = _device(body)
    return {name: torch.from_numpy(np.array(array)).to(device) for name, array in inputs.items()}


def _one(output: Any, name: str) -> Tensor:
    if isinstance(output, Tensor):
        return output
    raise NoBoundary(f"'{name}' answers with {type(output).__name__}, not with one tensor")


def _free_sizes(example: Arrays, witness: Arrays) -> dict[tuple[int, int], str]:
    """The pairs of sizes (in example, in witness) that may vary: the first is the batch, another one the length."""
    found: dict[tuple[int, int], str] = {}
    for name in example:
        for axis, pair in enumerate(zip(example[name].shape, witness[name].shape, strict=True)):
            if pair[0] != pair[1]:
                found.setdefault(pair, "batch" if axis == 0 else "length")
    return found


def _axes(first: Tensor, second: Tensor, sizes: Mapping[tuple[int, int], str], name: str) -> tuple[str | None, ...]:
    axes = []
    for pair in zip(first.shape, second.shape, strict=True):
        if pair[0] != pair[1] and pair not in sizes:
            raise NoBoundary(f"'{name}' answers in sizes {pair} that follow neither the batch nor the length")
        axes.append(sizes[pair] if pair[0] != pair[1] else None)
    if not axes or axes[0] != "batch":
        raise NoBoundary(f"'{name}' does not answer one row an item")
    return tuple(axes)


@contextlib.contextmanager
def _answering(body: nn.Module, below: Mapping[str, Tensor], last: str, activation: Tensor) -> Iterator[None]:
    """Let modules of `body` answer at once for as long as this lasts."""
    modules = {name: body.get_submodule(name) for name in (*below, last)}
    before = {name: vars(module).get("forward") for name, module in modules.items()}
    for name, module in modules.items():
        vars(module)["forward"] = _always(activation if name == last else below[name])
    try:
        yield
    finally:
        for name, module in modules.items():
            del module.forward
            if before[name] is not None:
                vars(module)["forward"] = before[name]


def _always(output: Tensor) -> Callable[..., Tensor]:
    return lambda *args, **named: output
