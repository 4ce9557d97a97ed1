"""The names of what a bundle's graph gives; `unfamiliarity` and `features` are not in every graph (see graph.py)."""

from __future__ import annotations

LOGITS, PROBABILITIES, FEATURES, UNFAMILIARITY = "logits", "probabilities", "features", "unfamiliarity"
