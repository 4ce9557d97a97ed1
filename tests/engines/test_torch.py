import numpy as np
import torch
from torch import Tensor, nn

from keiki.engines.torch import TorchEngine


class Doubles(nn.Module):
    """Twice x, in place, with a dropout that must be off; notes how it was run."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.9)
        self.seen: tuple[int, bool] = (0, True)

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        self.seen = (torch.get_num_threads(), torch.is_inference_mode_enabled())
        x.mul_(2)
        return self.dropout(x if shift is None else x + shift)


def test_takes_read_only_arrays_leaves_out_unknown_inputs_and_runs_in_eval_mode():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    x.setflags(write=False)
    engine = TorchEngine(Doubles().train())
    assert np.array_equal(engine.run({"x": x, "other": x}), 2 * x)
    assert np.array_equal(engine.run({"x": x, "shift": np.ones_like(x)}), 2 * x + 1)


def test_its_thread_count_holds_inside_and_the_callers_returns():
    module = Doubles()
    torch.set_num_threads(2)
    try:
        TorchEngine(module, threads=1).run({"x": np.ones((1, 1), np.float32)})
        assert module.seen == (1, True)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
