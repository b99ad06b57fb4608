"""What an AuthorizationPolicy's rules have that a change of them begins with. Pure."""

import re
from collections.abc import Iterator
from typing import Any

from lateen.model.meta import Source
from lateen.model.snapshot import Snapshot
from lateen.observe.verdicts import manifest_text

_RULE = re.compile(r"spec\.rules\[(\d+)\]")


def is_only(rule: Source, snapshot: Snapshot) -> bool:
    """Whether a policy has no other rule."""
    body = manifest_text.body(snapshot, rule.ref) or {}
    return len((body.get("spec") or {}).get("rules") or ()) <= 1


def exceptions(rule: Source | None, snapshot: Snapshot) -> Iterator[Source]:
    """Yield the lists of clients that a rule leaves alone, the narrower kind first."""
    if rule is None or (place := _RULE.fullmatch(rule.path)) is None:
        return
    body = manifest_text.body(snapshot, rule.ref) or {}
    rules = (body.get("spec") or {}).get("rules") or ()
    written = rules[int(place[1])] if int(place[1]) < len(rules) else {}
    for field in ("notPrincipals", "notNamespaces"):
        for number, each in enumerate(written.get("from") or ()):
            if (each.get("source") or {}).get(field):
                yield Source(rule.ref, f"{rule.path}.from[{number}].source.{field}")


def principals(policy: Source | None, snapshot: Snapshot) -> Source | None:
    """Return the first list of principals that a policy allows and asks nothing else of."""
    body = manifest_text.body(snapshot, policy.ref) if policy is not None else None
    for number, rule in enumerate(((body or {}).get("spec") or {}).get("rules") or ()):
        sources: list[Any] = rule.get("from") or [{}]
        first = sources[0]
        if policy is not None and (first.get("source") or {}).get("principals"):
            return Source(policy.ref, f"spec.rules[{number}].from[0].source.principals")
    return None
