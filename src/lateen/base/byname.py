"""What is loaded by its name and when it is needed, where no import statement can stand.

Kinds name their structs, and a kind's struct loads with the first object of that kind. The plane
loads the mesh's part after it has begun to answer. Every such name goes through here, and a
structure test follows them all.
"""

import importlib
from types import ModuleType
from typing import Any


def module(name: str) -> ModuleType:
    """Load a module by its full name. Raises ImportError."""
    return importlib.import_module(name)


def attribute(place: str) -> Any:
    """Load what stands at a place: a module's full name, a dot, a name in it. Raises ImportError
    when there is no such module, AttributeError when it has no such name."""
    name, _, inner = place.rpartition(".")
    return getattr(importlib.import_module(name), inner)
