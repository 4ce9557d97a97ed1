"""A network cut in two: the upper part is the whole, bit for bit, in output and gradients, for any family."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from keiki.backbones.stages import stages_of
from keiki.engines.torchvision_guard import ensure
from keiki.nn.boundary import NoBoundary, OddForward, cut, difference, lower
from keiki.nn.pooling import ImageFeatures, TextFeatures

NETWORKS = ("vit_tiny_patch16_224", "convnext_atto", "swin_tiny_patch4_window7_224", "resnet18", "regnety_002")


def pictures(n: int, side: int = 64) -> dict[str, np.ndarray]:
    return {"image": np.random.default_rng(n).normal(size=(n, 3, side, side)).astype(np.float32)}


def texts(n: int, length: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(n)
    mask = (np.arange(length) < rng.integers(2, length + 1, size=(n, 1))).astype(np.int64)
    return {"input_ids": rng.integers(0, 50, size=(n, length)) * mask, "attention_mask": mask}


def network(architecture: str) -> nn.Module:
    ensure()
    import timm

    with torch.random.fork_rng():
        torch.manual_seed(0)
        sized = {} if architecture.startswith(("conv", "res", "reg")) else {"img_size": 224}
        return ImageFeatures(timm.create_model(architecture, num_classes=0, **sized)).eval()


@pytest.mark.parametrize("architecture", NETWORKS)
def test_timm_networks_are_cut_exactly(architecture: str) -> None:
    body = network(architecture)
    stages = [stage.modules for stage in stages_of(body, inside="net")]
    side = 224 if architecture.startswith(("vit", "swin")) else 64
    for depth in (1, len(stages) // 2, len(stages) - 1):
        at = cut(body, stages[:depth], pictures(2, side), pictures(3, side))
        assert difference(body, at, pictures(4, side)) == 0.0, depth


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta", "electra"])
def test_text_encoders_are_cut_exactly_at_any_length(kind: str) -> None:
    ensure()
    import transformers

    untyped: Any = transformers
    own = {"distilbert": {"dim": 32, "hidden_dim": 64, "n_heads": 2, "n_layers": 3}}.get(
        kind,
        {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 3}
        | ({"embedding_size": 32} if kind == "electra" else {}),
    )
    config = untyped.AutoConfig.for_model(kind, vocab_size=50, max_position_embeddings=64, pad_token_id=0, **own)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = untyped.AutoModel.from_config(config)
    body = TextFeatures(net, ("mean",), normalise=False).eval()
    stages = [stage.modules for stage in stages_of(body, inside="net")]
    for depth in range(1, len(stages)):
        at = cut(body, stages[:depth], texts(2, 7), texts(3, 12))
        assert at.axes[:2] == ("batch", "length")
        assert difference(body, at, texts(5, 9)) == 0.0, depth


class InPlace(nn.Module):
    """A block, an activation in place that is no stage, and another block."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.act = nn.SiLU(inplace=True)
        self.last = nn.Sequential(nn.Conv2d(4, 5, 1), nn.BatchNorm2d(5))

    def forward(self, image: Tensor) -> Tensor:
        return self.last(self.act(self.first(image))).mean(dim=(2, 3))


def test_what_works_in_place_above_the_cut_spoils_nothing() -> None:
    body = InPlace().eval()
    at = cut(body, [("first",)], pictures(2, 8), pictures(3, 8))
    assert difference(body, at, pictures(4, 8)) == 0.0
    given = {name: torch.from_numpy(array) for name, array in pictures(4, 8).items()}
    kept = lower(_copy(body), at.last)(**given)
    before = kept.clone()
    torch.testing.assert_close(at.upper(body, kept, {}), body(**given), rtol=0, atol=0)
    assert not torch.equal(kept, before)  # so a cached activation has to be copied first


def _copy(body: nn.Module) -> nn.Module:
    twin = InPlace().eval()
    twin.load_state_dict(body.state_dict())
    return twin


def test_the_network_is_as_it_was_after_a_step_from_the_cut() -> None:
    body = InPlace().train()
    at = cut(body, [("first",)], pictures(2, 8), pictures(3, 8))
    at.upper(body, torch.zeros(4, 4, 8, 8), {})
    assert "forward" not in vars(body.first)
    assert body.training
    assert body.first[1].training


class Pairs(nn.Module):
    """A block that answers with two tensors, as some encoders' layers do."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.both = Both()
        self.last = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.both(self.first(x))[0])


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner(x), x


class Doubled(nn.Module):
    """A block whose output has two rows an item."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.last = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(torch.cat([x, x]))[: len(x)])


@pytest.mark.parametrize(
    ("body", "stages", "words"),
    [
        (Pairs(), [("first",), ("both",)], "'both' answers with tuple"),
        (Doubled(), [("first",)], "follow neither the batch nor the length"),
        (Pairs(), [()], "hold no module"),
    ],
    ids=["tuple", "two rows", "nothing"],
)
def test_what_cannot_be_cut_says_why(body: nn.Module, stages: list[tuple[str, ...]], words: str) -> None:
    rows = [{"x": np.ones((n, 3), dtype=np.float32)} for n in (2, 3)]
    with pytest.raises(NoBoundary, match=words):
        cut(body, stages, *rows)


class Early(nn.Module):
    """A block whose own scale works on the input of the network, below the cut."""

    def __init__(self, *, both: bool) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.last = nn.Linear(3, 3)
        self.both = both

    def forward(self, x: Tensor) -> Tensor:
        found = self.first(x * self.last.bias)
        return self.last(found) if self.both else found @ self.last.weight


@pytest.mark.parametrize("both", [False, True], ids=["below only", "on both sides"])
def test_a_moving_parameter_that_works_below_the_cut_is_found(both: bool) -> None:
    body = Early(both=both)
    with torch.no_grad():
        body.last.bias.fill_(0.5)
    rows = [{"x": np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)} for n in (2, 3, 4)]
    at = cut(body, [("first",)], *rows[:2])
    assert difference(body, at, rows[2], moving=["last.weight", "last.bias"]) > 0.01
    if not both:
        assert difference(body, at, rows[2], moving=["last.weight"]) == 0.0


class Odd(nn.Module):
    """A forward that looks at the values that a module below the cut answers."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2)
        self.error = error
        self.fails = False

    def forward(self, x: Tensor) -> Tensor:
        if self.fails:
            raise self.error
        return self.last(self.second(self.first(x)))


@pytest.mark.parametrize("error", [RuntimeError("no view"), AssertionError("height"), TypeError("None")])
def test_an_odd_forward_is_told_as_its_own(error: Exception) -> None:
    body = Odd(error)
    rows = [{"x": np.ones((n, 3), dtype=np.float32)} for n in (2, 3)]
    at = cut(body, [("first",), ("second",)], *rows)
    body.fails = True
    with pytest.raises(OddForward, match=str(error)):
        cut(body, [("first",)], *rows)
    with pytest.raises(OddForward, match=type(error).__name__):
        difference(body, at, rows[1])


def test_an_error_of_ours_stays_one() -> None:
    body = Odd(ValueError())
    rows = [{"x": np.ones((n, 3), dtype=np.float32)} for n in (2, 3)]
    at = cut(body, [("first",)], *rows)
    with pytest.raises(AttributeError):
        difference(body, at, None)  # type: ignore[arg-type]
