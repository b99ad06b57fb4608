"""The objects that istiod names in what it sends: no fields, no lines, but the objects. Pure."""

import re
from typing import Any

from lateen.model.meta import ObjectRef, Source

_METADATA = "istio"
_CONFIG = re.compile(r"/apis/[^/]+/[^/]+/namespaces/([^/]+)/([^/]+)/([^/]+)")
_ROLES = {
    "VirtualService": ("source", "match"),
    "DestinationRule": ("rule", "tls", "connectionPool"),
}
"""What an object decides of the resource that names it; of other kinds it made the whole."""
_POLICY = re.compile(r"ns\[([^]]+)\]-policy\[([^]]+)\]-rule\[(\d+)\]")


def source(metadata: Any, key: str) -> Source | None:
    """Return the object that decided something of a resource of istiod's, if it names one."""
    told = metadata.filter_metadata.get(_METADATA)
    if told is None:
        return None
    config = told.fields["config"].string_value if "config" in told.fields else ""
    found = _CONFIG.fullmatch(config)
    if found is not None:
        namespace, words, name = found.groups()
        kind = "".join(word.capitalize() for word in words.split("-"))
        if key in _ROLES.get(kind, ("source",)):
            return Source(ObjectRef(kind, namespace, name))
    return _service(told) if key == "source" else None


def _service(told: Any) -> Source | None:
    for each in told.fields["services"].list_value.values if "services" in told.fields else ():
        fields = {name: value.string_value for name, value in each.struct_value.fields.items()}
        name, namespace = fields.get("name", ""), fields.get("namespace", "")
        if name and fields.get("host", "").startswith(f"{name}.{namespace}.svc."):
            return Source(ObjectRef("Service", namespace, name))
    return None


def policy(name: str) -> Source | None:
    """Return the rule that a policy of istiod's comes from, by the name that it has there."""
    found = _POLICY.match(name)
    if found is None:
        return None
    namespace, policy_name, number = found.groups()
    return Source(ObjectRef("AuthorizationPolicy", namespace, policy_name), f"spec.rules[{number}]")
