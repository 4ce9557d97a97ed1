"""The proof that what was frozen has not moved: digests of its tensors before and after."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from keiki.core.errors import TrainingError
from keiki.core.files import digest, sha256_bytes
from keiki.methods.base import Model
from keiki.training.stillness import moving_tensors


class Proof:
    """Digests of a network's tensors as it was built, before anything was restored or trained.

    After every descent the tensors that none has declared to move are compared with them. Four facts of the model come
    of it: 'moved' (names of the parameters that some descent could move), 'trained_parameters' (how many numbers they
    hold), 'trainable' (their share of all) and 'frozen' (number of tensors that lay still, digest before and after).
    """

    def __init__(self, network: nn.Module) -> None:
        self._before = _digests(network.state_dict())

    def after(self, model: Model, moving: set[int]) -> None:
        """Take in the descent that has just ended; raises TrainingError where a frozen tensor has changed."""
        network: nn.Module = model.network
        names = {name for name, parameter in network.named_parameters() if id(parameter) in moving}
        moved = names | set(model.facts.get("moved", ()))
        ids = {id(parameter) for name, parameter in network.named_parameters() if name in moved}
        free = moving_tensors(network, ids)
        now = _digests({name: tensor for name, tensor in network.state_dict().items() if name not in free})
        then = {name: self._before[name] for name in now if name in self._before}
        changed = sorted(name for name, found in then.items() if now[name] != found)
        if changed:
            raise TrainingError(f"{len(changed)} frozen tensors have moved, '{changed[0]}' for one.")
        sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
        model.facts["moved"] = sorted(moved)
        fitted = sum(sizes[name] for name in moved if name in sizes)
        model.facts["trained_parameters"] = fitted
        model.facts["trainable"] = fitted / max(1, sum(sizes.values()))
        model.facts["frozen"] = {
            "tensors": len(then),
            "parameters": sum(sizes.get(name, 0) for name in then),
            "digest_before": digest(then),
            "digest_after": digest({name: now[name] for name in then}),
        }


def _digests(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    return {name: sha256_bytes(tensor.detach().cpu().numpy().tobytes()) for name, tensor in sorted(tensors.items())}
