"""The method that a request asks for, with its options; what cannot work is refused before anything is computed."""

from __future__ import annotations

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
from keiki.core.errors import OptionError, RequestError, UnknownName
from keiki.core.options import Config, rows
from keiki.data.names import listing
from keiki.data.task import Target
from keiki.methods.base import METHODS, Method
from keiki.pipeline.request import FitRequest

AUTO = "linear-probe"  # what `auto` begins with


def make_method(request: FitRequest) -> Method:
    """The method that was asked for with its options; `auto` begins with the probe."""
    kind = METHODS.get(AUTO if request.method == "auto" else request.method)
    if "control" in kind.tags:
        raise RequestError(
            f"Method '{kind.name}' is a control: it is there to be compared with.",
            hint="Controls run beside every fit; leave --method out.",
        )
    if request.budget is not None and request.method != "auto" and not kind.gradient:
        raise RequestError(
            f"--budget ends training in time, but '{kind.name}' does not train step by step.",
            hint="Leave it out, or use --method auto: it tries fine-tuning if the budget allows.",
        )
    if request.device != "cpu" and request.method != "auto" and not kind.gradient:
        raise RequestError(
            f"--device says what training runs on, but '{kind.name}' does not train step by step.",
            hint="Leave it out, or choose a method of fine-tuning: keiki methods",
        )
    if request.device != "cpu":
        from keiki.training.pace import find_device

        find_device(request.device)
    return kind(_options(kind, request))


def _options(kind: type[Method], request: FitRequest) -> Config:
    """The method's options; one that only others have is refused with their names."""
    try:
        return kind.Config.parse(request.options)
    except UnknownName as error:
        owners = [name for name, other in METHODS.items() if _has(other, error.name)]
        if not owners:
            raise
        chosen = f"'{kind.name}', with which 'auto' begins," if request.method == "auto" else f"'{kind.name}'"
        raise OptionError(
            f"Method {chosen} has no option '{error.name}'.",
            hint=f"Leave it out, or name a method that has it by --method: {listing(owners)}.",
        ) from error


def refuse_modality(method: Method, modality: str) -> None:
    """Raise where a method cannot work on such items."""
    if modality not in method.modalities:
        raise RequestError(f"Method '{method.name}' is not for {modality}s.", hint="See: keiki methods")


def _has(kind: type[Method], option: str) -> bool:
    return "control" not in kind.tags and option in {row.name for row in rows(kind.Config)}


def refuse_unfit(method: Method, backbone: Backbone, target: Target, bank: FeatureBank) -> None:
    """Raise where the network cannot be what the options say: stages, layers or a classifier that it lacks."""
    if method.gradient:
        method.build(backbone, target, bank)
