"""Every registered metric keeps every promise."""

from __future__ import annotations

import pytest

from keiki.metrics.base import Metric
from keiki.testing.check import Check
from keiki.testing.metrics import CHECKS, metrics


@pytest.mark.parametrize("check", CHECKS.all(), ids=str)
@pytest.mark.parametrize("metric", metrics(), ids=lambda metric: metric.name)
def test_metric_keeps_its_promise(metric: Metric, check: Check) -> None:
    check(metric)
