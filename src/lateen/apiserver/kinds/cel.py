"""CEL, the language of the rules in a CustomResourceDefinition: compiled once, evaluated in bounds.

The library is loaded when the first rule or pattern asks for it: it takes 14 MB of code that a lab
without such definitions never needs.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import msgspec

MAX_RULE = 10_000
"""Characters of one expression."""
RULE_NAMES = ("self", "oldSelf", "held")
"""What rules of definitions may name."""


_WORDS = (
    (re.compile(r'Key not found in map : "(.*)"', re.DOTALL), r"no such key: \1"),
    (re.compile(r"Index error: index=(-?\d+) size=\d+"), r"index out of bounds: \1"),
    (re.compile("No matching overloads found : .*", re.DOTALL), "no such overload"),
    (re.compile("Iteration budget exceeded"), "cost limit exceeded"),
)
"""What the library says, and what Kubernetes does."""


class RuleError(Exception):
    """An expression cannot be compiled, or its evaluation failed; the text says why."""


class Outcome(msgspec.Struct, frozen=True):
    """What an expression came to. `kind` is the CEL type's name: BOOL, STRING, INT …"""

    kind: str
    value: Any


@cache
def _environment(names: tuple[str, ...]) -> Any:
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings

    from lateen.apiserver.kinds import celfunctions

    kinds = {
        "list": cel.Type.List(cel.Type.DYN),
        "map": cel.Type.Map(cel.Type.DYN, cel.Type.DYN),
        "text": cel.Type.STRING,
        "int": cel.Type.INT,
        "bool": cel.Type.BOOL,
        "double": cel.Type.DOUBLE,
        "any": cel.Type.DYN,
    }
    overloads: dict[str, list[Any]] = {}
    for one in celfunctions.FUNCTIONS:
        takes = [kinds[name] for name in one.takes.split()]
        name = f"lateen_{one.name}_{one.takes}".replace(" ", "_").replace(".", "_")
        made = cel.Overload(name, kinds[one.gives], takes, one.member, one.act)
        overloads.setdefault(one.name, []).append(made)
    functions = [cel.FunctionDecl(name, found) for name, found in overloads.items()]
    return cel.NewEnv(
        variables=dict.fromkeys(names, cel.Type.DYN),
        extensions=[
            ext_bindings.ExtBindings(),
            ext_optional.ExtOptional(),
            ext_strings.ExtStrings(),
            ext_math.ExtMath(),
            cel.CelExtension("kubernetes", functions),
        ],
    )


@lru_cache(maxsize=2048)
def compiled(expression: str, names: tuple[str, ...] = RULE_NAMES) -> Any:
    """Return an expression over these names ready to be evaluated. Raises RuleError."""
    if len(expression) > MAX_RULE:
        raise RuleError(f"expression is longer than {MAX_RULE} characters")
    try:
        return _environment(names).compile(expression)
    except RuntimeError as error:
        raise RuleError(_plain(str(error))) from None


def evaluate(
    expression: str, variables: Mapping[str, Any], names: tuple[str, ...] = RULE_NAMES
) -> Outcome:
    """Evaluate an expression over JSON values. Raises RuleError: when it does not compile, when it
    fails (a key that is not there), and when it iterates more than 10,000 times."""
    program = compiled(expression, names)
    try:
        found = program.eval(data=dict(variables))
        kind, value = found.type().name(), found.value()
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise RuleError(_plain(str(error))) from None
    if kind == "*error*" or kind.lower() == "error":
        raise RuleError(_plain(str(value)))
    return Outcome(kind, value)


def _plain(text: str) -> str:
    """Take the library's status code out of its message."""
    for code in ("INVALID_ARGUMENT", "NOT_FOUND", "UNKNOWN", "INTERNAL", "UNIMPLEMENTED"):
        text = text.removeprefix(f"{code}: ").removesuffix(f" [{code}]")
    for theirs, ours in _WORDS:
        text = theirs.sub(ours, text)
    return text


def matches(pattern: str, text: str) -> bool:
    """Search a pattern in the dialect of Kubernetes (RE2), in time linear in the text.

    One that cannot be read matches everything: it was not refused when it was defined.
    """
    try:
        return evaluate("self.matches(held)", {"self": text, "held": pattern}).value is not False
    except RuleError:
        return True
