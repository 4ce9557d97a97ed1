"""The one loop: AdamW as torch does it, frozen parts truly still, the best state kept, no number that is none."""

from __future__ import annotations

import itertools
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from descents import PACE, RANDOM, Maps, Network, Stream, held, phase, ran, strides

from keiki.core.errors import TrainingError
from keiki.data.task import Batch
from keiki.methods.base import Descend, Group, Move
from keiki.nn.softmax import FloatArray
from keiki.training.checkpoint import State
from keiki.training.descent import Descent, load_arrays, to_arrays
from keiki.training.pace import Pace
from keiki.training.schedule import rate_factor


def test_it_is_adamw_with_the_schedule_and_clipping() -> None:
    network, witness = Network(), Network()
    descent = ran(network, phase(network, clip_norm=0.3, warmup_ratio=0.2))
    optimizer = torch.optim.AdamW(witness.parameters(), lr=0.05, weight_decay=0.1, fused=True)
    losses = []
    for step in range(9):
        torch.manual_seed(RANDOM.number("dropout", step))
        witness.train()
        batch = list(Stream().batches(0, RANDOM))[step % 3]
        loss = witness.loss(batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(witness.parameters(), 0.3)
        optimizer.param_groups[0]["lr"] = 0.05 * rate_factor(step, 9, 0.2, "cosine")
        optimizer.step()
        losses.append(loss.item())
    for name, tensor in witness.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name
    assert [epoch["train_loss"] for epoch in descent.curve[1:]] == [np.mean(losses[i : i + 3]) for i in (0, 3, 6)]


def test_frozen_parts_do_not_move_not_even_their_statistics() -> None:
    network = Network()
    before = to_arrays(network)
    descent = ran(network, phase(network, network.head.parameters()))
    after = to_arrays(network)
    for name in before:
        assert np.array_equal(before[name], after[name]) == name.startswith("body"), name
    assert descent.all_moving == {id(p) for p in network.head.parameters()}


def test_a_frozen_batchnorm_inside_a_moving_body_keeps_its_statistics() -> None:
    network = Network()
    moving = [*network.body[0].parameters(), *network.head.parameters()]
    before = to_arrays(network)
    ran(network, phase(network, moving))
    after = to_arrays(network)
    assert {name for name in before if np.array_equal(before[name], after[name])} == {
        name for name in before if name.startswith("body.1.")
    }


def test_dropout_of_a_frozen_body_stands_still() -> None:
    network = Network()
    inputs: list[bool] = []
    network.body[2].register_forward_hook(lambda module, *_: inputs.append(module.training))
    ran(network, phase(network, network.head.parameters()))
    assert not any(inputs)


def test_the_best_state_is_kept_and_patience_ends_it() -> None:
    network = Network()
    scores = iter([0.9, 0.5, 0.7, 0.8, 0.1])
    states: list[dict[str, Any]] = []

    def validate() -> FloatArray:
        states.append(to_arrays(network))
        return held(next(scores))

    descent = ran(network, phase(network, epochs=9, validate=validate, patience=2))
    assert [epoch["validation_loss"] for epoch in descent.curve] == pytest.approx([0.9, 0.5, 0.7, 0.8])
    assert [epoch["epoch"] for epoch in descent.curve if "kept" in epoch] == [0, 1]
    assert all(np.array_equal(array, states[1][name]) for name, array in to_arrays(network).items())
    assert not network.training


def test_of_states_that_the_items_cannot_tell_apart_the_last_is_kept() -> None:
    network = Network()
    following = iter([[2.0, 2.0], [0.5, 0.7], [0.3, 1.1], [1.0, 1.1]])  # the third: +0.1, standard error 0.3
    states: list[dict[str, Any]] = []

    def validate() -> FloatArray:
        states.append(to_arrays(network))
        return np.array(next(following))

    ran(network, phase(network, epochs=3, validate=validate, patience=9))
    assert all(np.array_equal(array, states[2][name]) for name, array in to_arrays(network).items())


def test_the_state_before_the_first_epoch_may_be_the_best() -> None:
    network = Network()
    before = to_arrays(network)
    scores = iter([0.1, 0.2, 0.3])
    ran(network, phase(network, validate=lambda: held(next(scores)), patience=2))
    assert all(np.array_equal(array, before[name]) for name, array in to_arrays(network).items())


@pytest.mark.parametrize("pace", [PACE, Pace(channels_last=True)], ids=["contiguous", "channels last"])
@pytest.mark.parametrize("kind", [Network, Maps])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"ema": 0.9},
        {"schedule": "plateau", "validate": lambda: held(1.0), "patience": 9},
        {"still": True},
        {"pieces": 2},
    ],
    ids=["plain", "ema", "plateau", "still", "pieces"],
)
def test_its_state_goes_on_bit_for_bit(more: dict[str, Any], kind: type[Network], pace: Pace) -> None:
    whole, cut = kind(), kind()
    Descent(phase(whole, **more), whole, RANDOM, pace).run(lambda _: None)
    saved: list[tuple[State, dict[str, Any]]] = []
    seen: set[int] = set()

    def save(at: Descent) -> None:
        if at.step in seen:
            return
        seen.add(at.step)
        arrays = {name: array.copy() for name, array in at.arrays().items()}  # those of the optimiser are its own
        saved.append((State(arrays, {"inside": deepcopy(at.values())}), to_arrays(at.network)))

    Descent(phase(cut, **more), cut, RANDOM, pace).run(save, save)
    assert len(saved) == 9  # after every step, those within an epoch too
    for state, weights in saved:
        fresh = kind()
        fresh.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
        descent = Descent(phase(fresh, **more), fresh, RANDOM, pace)
        descent.restore(state)
        torch.rand(5)  # the state of the global generator must not matter
        descent.run(lambda _: None)
        assert strides(fresh) == strides(whole)
        for name, tensor in whole.state_dict().items():
            assert torch.equal(fresh.state_dict()[name], tensor), name


def test_a_descent_that_goes_on_keeps_what_it_would_have_kept() -> None:
    losses = np.array([[3.0, 3.0], [1.0, 2.0], [1.6, 1.7], [2.2, 1.3], [1.1, 2.1]])

    def judged(network: Network) -> Descent:
        descent = Descent(phase(network, epochs=4, validate=lambda: losses[len(descent.curve)], patience=9), network,
                          RANDOM, PACE)  # fmt: skip
        return descent

    whole = judged(Network())
    saved: list[tuple[State, dict[str, Any]]] = []

    def save(at: Descent) -> None:
        arrays = {name: array.copy() for name, array in at.arrays().items()}
        saved.append((State(arrays, {"inside": deepcopy(at.values())}), to_arrays(at.network)))

    whole.run(save)
    kept = [line["epoch"] for line in whole.curve if "kept" in line]
    assert kept == [0, 1, 2, 3]  # the fourth is worse by 0.1, whatever item is asked
    for state, weights in saved:
        network = Network()
        load_arrays(network, weights)
        again = judged(network)
        again.restore(state)
        again.run(lambda _: None)
        assert again.curve == whole.curve


def test_moments_and_means_lie_in_memory_as_their_weights_do() -> None:
    """The fused step walks the memory of weight and moments side by side, whatever their strides say."""
    network = Maps()
    what = phase(network, ema=0.9)
    descent = Descent(what, network, RANDOM, Pace(channels_last=True))
    descent.run(lambda _: None)
    again = Descent(what, network, RANDOM, Pace(channels_last=True))
    again.restore(State({n: a.copy() for n, a in descent.arrays().items()}, {"inside": deepcopy(descent.values())}))
    parameters = list(network.parameters())
    assert any(not p.is_contiguous() for p in parameters)
    for at, moments in again.optimizers[0]._slots():
        for name in ("exp_avg", "exp_avg_sq"):
            assert moments[name].stride() == parameters[at].stride()
    assert again.average is not None
    for name, mean in again.average.means.items():
        assert mean.stride() == network.state_dict()[name].stride(), name
    for name, array in descent.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)


def test_a_network_comes_back_from_another_layout_as_it_was() -> None:
    network, witness = Maps(), Maps()
    Pace(channels_last=True).place(network)
    assert strides(network) != strides(witness)
    moved = to_arrays(network)
    load_arrays(network, {name: array + 1 for name, array in to_arrays(witness).items()})
    assert all(np.array_equal(array, moved[name] + 1) for name, array in to_arrays(network).items())
    PACE.place(network)
    assert strides(network) == strides(witness)


def test_two_players_move_in_turn_and_each_only_its_own() -> None:
    network = Network()
    body = Group(list(network.body.parameters()), 0.01)
    head = Group(list(network.head.parameters()), 0.0)
    before = to_arrays(network)
    ran(network, Descend("game", [Move(network.loss, [body]), Move(network.loss, [head])], epochs=1, feed=Stream()))
    after = to_arrays(network)
    for name in before:
        assert np.array_equal(before[name], after[name]) == name.startswith("head"), name


def test_a_loss_that_is_no_number_ends_it_with_advice() -> None:
    network = Network()
    bad = Descend("tune", [Move(lambda b: network.loss(b) * float("nan"), [])], epochs=1, feed=Stream())
    bad = Descend("tune", [Move(bad.moves[0].loss, phase(network).moves[0].groups)], epochs=1, feed=Stream())
    with pytest.raises(TrainingError, match=r"loss of 'tune' is nan at step 0.*learning rate"):
        ran(network, bad)
    with pytest.raises(TrainingError, match=r"validation loss of 'tune' is inf at step 0"):
        ran(network, phase(network, validate=lambda: held(float("inf"))))


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    network = Network()
    Descent(phase(network), network, RANDOM, Pace(threads=before + 1)).run(lambda _: None)
    assert torch.get_num_threads() == before


def test_a_step_is_timed_even_where_an_epoch_has_one() -> None:
    network = Network()
    assert 0 < Descent(phase(network), network, RANDOM, PACE).seconds_a_step(steps=7) < 1


def test_stages_wake_one_an_epoch_and_lie_truly_still_until_then() -> None:
    network = Network()
    body = Group(list(network.body.parameters()), 0.05, name="body", wakes=2)
    head = Group(list(network.head.parameters()), 0.05, name="head")
    states: list[dict[str, Any]] = [to_arrays(network)]
    what = Descend("tune", [Move(network.loss, [head, body])], epochs=4, feed=Stream())
    Descent(what, network, RANDOM, PACE).run(lambda at: states.append(to_arrays(at.network)))
    for name in states[0]:
        moved = [not np.array_equal(a[name], b[name]) for a, b in itertools.pairwise(states)]
        assert moved == ([False, False, True, True] if name.startswith("body") else [True] * 4), name


def test_a_stall_wakes_the_next_and_patience_ends_it_only_when_all_are_awake() -> None:
    network = Network()
    groups = [
        Group(list(network.head.parameters()), 0.01),
        Group(list(network.body[0].parameters()), 0.01, wakes=1),
        Group(list(network.body[1].parameters()), 0.01, wakes=2),
    ]
    scores = iter([1.0, 0.9, 0.95, 0.94, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    awake: list[int] = []
    what = Descend(
        "tune",
        [Move(network.loss, groups)],
        epochs=20,
        feed=Stream(),
        validate=lambda: held(next(scores)),
        patience=2,
        wake="stall",
    )
    descent = Descent(what, network, RANDOM, PACE)
    descent.run(lambda at: awake.append(at.awake))
    assert awake == [0, 0, 1, 1, 1, 2, 2, 2]  # 0.95 and 0.94 are no better: one wakes; two more, the next; then the end
    assert descent.ending == "patience"


def test_the_running_mean_is_what_is_judged_and_kept() -> None:
    network, witness = Network(), Network()
    means = {n: t.detach().clone() for n, t in witness.state_dict().items() if t.is_floating_point()}
    count = 0

    def average() -> None:
        nonlocal count
        count += 1
        decay = min(0.8, (1 + count) / (10 + count))
        for name, mean in means.items():
            mean.mul_(decay).add_(witness.state_dict()[name], alpha=1 - decay)

    ran(witness, phase(witness, after_step=average))
    ran(network, phase(network, ema=0.8))
    for name, mean in means.items():
        torch.testing.assert_close(network.state_dict()[name], mean, msg=name)


def test_a_gradient_that_is_no_number_in_the_last_step_does_not_ship() -> None:
    network = Network()
    count = 0

    def loss(batch: Batch) -> torch.Tensor:
        nonlocal count
        count += 1
        value = network.loss(batch)
        if count == 9:
            value.register_hook(lambda gradient: gradient * float("nan"))
        return value

    what = Descend("tune", [Move(loss, phase(network).moves[0].groups)], epochs=3, feed=Stream())
    with pytest.raises(TrainingError, match=r"'tune'.*no numbers.*after step 9.*learning rate"):
        ran(network, what)


def test_steps_that_are_timed_and_diverge_say_so() -> None:
    network = Network()
    groups = phase(network).moves[0].groups
    bad = Descend("tune", [Move(lambda b: network.loss(b) * float("nan"), groups)], epochs=1, feed=Stream())
    with pytest.raises(TrainingError, match=r"loss of 'tune' is nan at step 0.*learning rate"):
        Descent(bad, network, RANDOM, PACE).seconds_a_step()


def test_divergence_after_an_epoch_keeps_the_best_weights_and_says_where() -> None:
    network = Network()
    states: list[dict[str, Any]] = []
    count = 0

    def loss(batch: Batch) -> torch.Tensor:
        nonlocal count
        count += 1
        return network.loss(batch) * (float("nan") if count > 4 else 1.0)

    def validate() -> FloatArray:
        states.append(to_arrays(network))
        return held(1.0 / len(states))

    what = Descend(
        "tune",
        [Move(loss, phase(network).moves[0].groups)],
        epochs=5,
        feed=Stream(),
        validate=validate,
        patience=3,
    )
    descent = ran(network, what)
    assert descent.ending == "diverged"
    assert descent.curve[-1]["diverged_at_step"] == 4
    assert all(np.array_equal(array, states[1][name]) for name, array in to_arrays(network).items())


def test_out_of_time_ends_within_a_step_with_the_best_state() -> None:
    network = Network()
    asked = iter([False, False, False, False, True])
    what = phase(network, epochs=9, validate=lambda: held(1.0), patience=3)
    descent = Descent(what, network, RANDOM, PACE, out_of_time=lambda: next(asked))
    descent.run(lambda _: None)
    assert (descent.ending, descent.step, descent.curve[-1]["epoch"]) == ("time", 5, pytest.approx(1 + 2 / 3))


def test_bfloat16_computes_and_single_precision_keeps() -> None:
    network = Network()
    kinds: list[torch.dtype] = []
    network.body[0].register_forward_hook(lambda module, inputs, out: kinds.append(out.dtype))
    Descent(phase(network), network, RANDOM, Pace(precision="bf16")).run(lambda _: None)
    assert set(kinds) == {torch.bfloat16}
    assert {p.dtype for p in network.parameters()} == {torch.float32}
