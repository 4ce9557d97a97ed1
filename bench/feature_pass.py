"""The feature pass alone, cold: read, decode, prepare, run the engine, store. Pictures a second, for flatness in N.

    python bench/feature_pass.py DATA

The parent process counts memory. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from keiki.backbones.base import load
from keiki.backbones.cache import open_cache
from keiki.backbones.features import FeatureBank
from keiki.core.record import Record
from keiki.data.sources.base import read
from keiki.engines.plan import make_plan


def main() -> None:
    items = read(Path(sys.argv[1])).items
    backbone = load("efficientnet-lite0")
    bank = FeatureBank(open_cache(), make_plan(), Record())
    start = time.perf_counter()
    bank.register(items)
    bank.ensure(items, [(backbone, None)], facts=True)
    print(json.dumps({"items": len(items), "seconds": round(time.perf_counter() - start, 3)}))


if __name__ == "__main__":
    main()
