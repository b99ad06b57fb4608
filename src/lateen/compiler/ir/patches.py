"""EnvoyFilter's patches of one proxy, in the order in which they are applied. Pure."""

from lateen.compiler.ir.value import Kept, Value
from lateen.model.meta import Source


class ConfigPatch(Value, frozen=True, kw_only=True):
    """One change of what the control plane generates. `match` and `value` are JSON objects as they
    were written; the names are those of the API."""

    source: Source
    apply_to: str
    context: str
    operation: str
    match: str = "{}"
    value: str = ""
    """Empty where there is none."""


class Patches(Kept, frozen=True, kw_only=True):
    """All patches of a proxy: by priority, the root namespace first, then by age and name."""

    patches: tuple[ConfigPatch, ...]
