"""The name under which a batch holds what frozen stages have answered, in the place of its pixels."""

KEPT = "boundary"
