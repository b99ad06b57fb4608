"""How kubectl and helm are run: programs of Go that live for a tenth of a second."""

UNHURRIED = {"GOGC": "400"}
"""The environment in which they collect garbage a quarter as often: a fifth of their time went into
that."""
