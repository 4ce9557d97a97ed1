import subprocess
import sys

import pytest

from keiki.engines import torchvision_guard as guard

IMPORT_ALL = """
from keiki.engines.torchvision_guard import ensure
status = ensure()
assert status is ensure()
from torchvision.transforms import v2
import timm, transformers
import torch
try:
    torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
except NotImplementedError:
    print("refused", end=" ")
print(status)
"""

MAKE_BROKEN = """
import sys, types
from keiki.engines import torchvision_guard as guard
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            raise RuntimeError({message!r})
guard.importlib.util.find_spec = lambda name: {found}
sys.modules.pop("torchvision", None)
sys.meta_path.insert(0, Finder())
print(guard.ensure())
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_after_the_guard_torchvision_timm_and_transformers_import_and_a_missing_operator_still_refuses():
    assert run(IMPORT_ALL).startswith(("sound", "refused repaired: nms"))


def test_an_absent_torchvision_is_left_alone():
    assert run(MAKE_BROKEN.format(message="", found="None")) == "absent"


@pytest.mark.parametrize(
    "message",
    ["operator torchvision::roi_align does not exist", "undefined symbol", "operator other::nms does not exist"],
)
def test_any_other_failure_is_reported_and_not_touched(message: str):
    assert run(MAKE_BROKEN.format(message=message, found="object()")) == f"broken: RuntimeError: {message}"


def test_only_known_operators_are_declared():
    assert guard._missing_operator(RuntimeError("operator torchvision::nms does not exist")) == "nms"
    assert guard._missing_operator(ImportError("operator torchvision::nms does not exist")) is None
    assert guard._missing_operator(RuntimeError("operator torchvision::deform_conv2d does not exist")) is None
