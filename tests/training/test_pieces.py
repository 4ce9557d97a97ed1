"""A batch in pieces is the same step, whether asked for or because memory ran out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from descents import RANDOM, Network, Stream, phase, ran

from keiki.core.errors import TrainingError
from keiki.data.task import Batch
from keiki.methods.base import Descend, Move
from keiki.training.descent import Descent
from keiki.training.pace import Pace


def test_a_batch_in_pieces_has_the_gradient_of_the_whole() -> None:
    network, witness = Network(), Network()
    for each in (network, witness):
        each.body[2].p = 0.0
    ran(witness, phase(witness, still=True))
    descent = Descent(phase(network, still=True), network, RANDOM, Pace(pieces=2))
    descent.run(lambda _: None)
    for name, tensor in witness.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor, rtol=1e-4, atol=1e-6, msg=name)


def test_out_of_memory_halves_the_pieces_and_keeps_the_batch() -> None:
    network, witness = Network(), Network()
    for each in (network, witness):
        each.body[2].p = 0.0

    def small(batch: Batch) -> torch.Tensor:
        if len(batch.labels) > 2:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.")
        return network.loss(batch)

    ran(witness, phase(witness, still=True))
    group = phase(network).moves[0].groups
    descent = ran(network, Descend("tune", [Move(small, group)], epochs=3, feed=Stream(), still=True))
    assert descent.pieces == 2
    assert descent.values()["pieces"] == 2
    for name, tensor in witness.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor, rtol=1e-4, atol=1e-6, msg=name)


def no_memory(batch: Batch) -> torch.Tensor:
    raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.")


@pytest.mark.parametrize("moves", [1, 2])
def test_a_step_that_ran_out_of_memory_draws_as_one_that_began_with_its_pieces(moves: int) -> None:
    network, witness = Network(), Network()
    failed = False

    def once(batch: Batch) -> torch.Tensor:
        nonlocal failed
        if not failed:
            failed = True
            torch.rand(7)  # what a forward pass draws before it fails
            no_memory(batch)
        return network.loss(batch)

    def of(each: Network, loss: Any) -> Descend:
        groups = [phase(each, part.parameters()).moves[0].groups for part in (each.body, each.head)]
        losses = [loss, each.loss] if moves == 2 else [loss]
        return Descend("tune", [Move(f, g) for f, g in zip(losses, groups, strict=False)], epochs=1, feed=Stream())

    ran(network, of(network, once))
    Descent(of(witness, witness.loss), witness, RANDOM, Pace(pieces=2)).run(lambda _: None)
    for name, tensor in witness.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name


def test_where_no_smaller_piece_is_left_it_says_what_to_do() -> None:
    network = Network()
    what = Descend("tune", [Move(no_memory, phase(network).moves[0].groups)], epochs=1, feed=Stream())
    with pytest.raises(
        TrainingError, match=r"Memory.*'tune'.*2 items.*Lower batch_size, or freeze more stages"
    ) as caught:
        ran(network, what)
    assert "not enough memory" in str(caught.value.__cause__)


@pytest.mark.parametrize(("of_phase", "of_pace"), [(2, 1), (1, 2), (2, 2)])
def test_the_phase_may_ask_for_pieces(of_phase: int, of_pace: int) -> None:
    network, witness = Network(), Network()
    sizes: list[int] = []

    def loss(batch: Batch) -> torch.Tensor:
        sizes.append(len(batch.labels))
        return network.loss(batch)

    groups = phase(network).moves[0].groups
    what = Descend("tune", [Move(loss, groups)], epochs=3, feed=Stream(), still=True, pieces=of_phase)
    for each in (network, witness):
        each.body[2].p = 0.0
    descent = Descent(what, network, RANDOM, Pace(pieces=of_pace))
    descent.run(lambda _: None)
    ran(witness, Descend("tune", [Move(witness.loss, phase(witness).moves[0].groups)], epochs=3,
                         feed=Stream(), still=True))  # fmt: skip
    assert sizes == [2] * 18
    assert descent.pieces == descent.asked_pieces == 2
    for name, tensor in witness.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor, rtol=1e-4, atol=1e-6, msg=name)


def test_another_error_is_no_lack_of_memory() -> None:
    network = Network()

    def broken(batch: Batch) -> torch.Tensor:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="multiplied"):
        ran(network, Descend("tune", [Move(broken, phase(network).moves[0].groups)], epochs=1, feed=Stream()))
