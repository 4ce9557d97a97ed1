import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from keiki.core.errors import KeikiError, ParityError
from keiki.core.files import read_json
from keiki.engines.convert import GRAPH, convert, relative_difference
from keiki.engines.onnx import OnnxEngine
from keiki.engines.torch import TorchEngine


class MeanOfTokens(nn.Module):
    """tokens (B, T, 3) -> (B, 2): batch and length free."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc(tokens).mean(dim=1)


class Turncoat(MeanOfTokens):
    def forward(self, tokens: Tensor) -> Tensor:
        answer = super().forward(tokens)
        return answer + 1e-3 if torch.compiler.is_exporting() else answer


class Moody(MeanOfTokens):
    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens) if tokens.sum().item() > 0 else tokens.mean(dim=1)


def tokens(batch: int, length: int) -> dict[str, np.ndarray]:
    return {"tokens": np.random.default_rng(batch).normal(size=(batch, length, 3)).astype(np.float32)}


def never() -> nn.Module:
    raise AssertionError("a kept graph needs no network")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nn.Module, Path]:
    folder = tmp_path_factory.mktemp("graphs")
    module = MeanOfTokens()
    return folder, module, convert(lambda: module, tokens(2, 4), tokens(3, 7), "digest", folder)


def test_the_graph_answers_as_the_module_for_any_batch_and_length(kept: tuple[Path, nn.Module, Path]):
    _, module, graph = kept
    for batch, length in ((1, 1), (5, 3), (2, 31)):
        inputs = tokens(batch, length)
        assert relative_difference(OnnxEngine(graph).run(inputs), TorchEngine(module).run(inputs)) <= 1e-5


def test_a_kept_graph_is_found_without_the_module_and_says_what_it_is(kept: tuple[Path, nn.Module, Path]):
    folder, _, graph = kept
    assert convert(never, tokens(2, 4), tokens(3, 7), "digest", folder) == graph
    facts = read_json(graph.parent / "graph.json")
    assert facts["inputs"] == {"tokens": [None, None, 3]}
    assert facts["difference"] <= 1e-5
    assert not list(folder.glob(".part-*"))


@pytest.mark.parametrize("name", ["model.onnx", "graph.json"])
def test_a_damaged_graph_is_made_anew(name: str, tmp_path: Path):
    module = MeanOfTokens()
    graph = convert(lambda: module, tokens(2, 4), tokens(3, 7), "digest", tmp_path)
    sound = graph.read_bytes()
    damaged = graph.with_name(name)
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data if name == GRAPH else data[:-9])
    again = convert(lambda: module, tokens(2, 4), tokens(3, 7), "digest", tmp_path)
    assert again == graph
    assert graph.read_bytes() == sound


def test_other_weights_or_other_free_axes_are_another_graph(kept: tuple[Path, nn.Module, Path]):
    folder, _, _ = kept
    for witness, digest in ((tokens(3, 7), "other"), (tokens(3, 4), "digest")):
        with pytest.raises(AssertionError, match="needs no network"):
            convert(never, tokens(2, 4), witness, digest, folder)


def test_a_graph_that_answers_differently_is_refused_and_not_kept(tmp_path: Path):
    with pytest.raises(ParityError, match="differs from the network"):
        convert(Turncoat, tokens(2, 4), tokens(3, 7), "digest", tmp_path)
    assert not [each for each in tmp_path.iterdir() if each.is_dir()]


def test_a_network_that_cannot_be_exported_says_so(tmp_path: Path):
    with pytest.raises(KeikiError, match="does not convert"):
        convert(Moody, tokens(2, 4), tokens(3, 7), "digest", tmp_path)


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    convert(MeanOfTokens, tokens(2, 4), tokens(3, 7), "digest", tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_two_processes_share_one_conversion(tmp_path: Path):
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
import test_convert as t
made = []
build = lambda: made.append(1) or t.MeanOfTokens()
graph = t.convert(build, t.tokens(2, 4), t.tokens(3, 7), "d", Path({str(tmp_path)!r}))
print(len(made), graph)
"""
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=120)[0].split() for process in both]
    assert sorted(made for made, _ in answers) == ["0", "1"]
    assert answers[0][1] == answers[1][1]


def test_relative_difference_is_not_fooled_by_numbers_that_are_none():
    bad = np.array([1.0, np.nan])
    assert np.isnan(relative_difference(bad, np.ones(2)))
    assert relative_difference(np.zeros(2), np.zeros(2)) == 0
