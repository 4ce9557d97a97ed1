"""What runs a network. ONNX Runtime's official builds report usage to their maker; keiki switches that off.

It has to be off before the library is loaded, so it is done here, before any engine is. A user who wants it on sets
ORT_DISABLE_TELEMETRY=0 himself.
"""

import os

QUIET = {"ORT_DISABLE_TELEMETRY": "1"}

for _name, _value in QUIET.items():
    os.environ.setdefault(_name, _value)
