"""Which groups, versions and resources there are: /api, /apis, aggregated discovery. Pure."""

import hashlib
from collections.abc import Iterable

import msgspec

from lateen.apiserver.kinds.resources import Kind
from lateen.base.jsonvalue import Json

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_CHANGE = ["get", "patch", "update"]


class Virtual(msgspec.Struct, frozen=True):
    """A resource that is asked but not stored: reviews, the states of the server's parts."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = False
    verbs: tuple[str, ...] = ("create",)
    short_names: tuple[str, ...] = ()

    def row(self) -> Json:
        """Return its row in a list of resources."""
        made: Json = {
            "name": self.plural,
            "singularName": self.kind.lower(),
            "namespaced": self.namespaced,
            "kind": self.kind,
            "verbs": list(self.verbs),
        }
        return made | ({"shortNames": list(self.short_names)} if self.short_names else {})

    def discovered(self) -> Json:
        """Return its row in aggregated discovery."""
        made: Json = {
            "resource": self.plural,
            "responseKind": _gvk(self.group, self.version, self.kind),
            "scope": "Namespaced" if self.namespaced else "Cluster",
            "singularResource": self.kind.lower(),
            "verbs": list(self.verbs),
        }
        return made | ({"shortNames": list(self.short_names)} if self.short_names else {})


VIRTUAL = (
    Virtual("authentication.k8s.io", "v1", "tokenreviews", "TokenReview"),
    Virtual("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview"),
    Virtual("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    Virtual("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    Virtual("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview"),
    Virtual(
        "authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", True
    ),
    Virtual(
        "", "v1", "componentstatuses", "ComponentStatus", verbs=("get", "list"), short_names=("cs",)
    ),
)


class Sub(msgspec.Struct, frozen=True):
    """A subresource: its name, the kind it speaks, and its verbs."""

    name: str
    kind: str
    group: str
    version: str
    verbs: tuple[str, ...]


_CONNECT = ("create", "get")
_PODS = (
    Sub("attach", "PodAttachOptions", "", "v1", _CONNECT),
    Sub("binding", "Binding", "", "v1", ("create",)),
    Sub("ephemeralcontainers", "Pod", "", "v1", ("get", "patch", "update")),
    Sub("eviction", "Eviction", "policy", "v1", ("create",)),
    Sub("exec", "PodExecOptions", "", "v1", _CONNECT),
    Sub("log", "Pod", "", "v1", ("get",)),
    Sub("portforward", "PodPortForwardOptions", "", "v1", _CONNECT),
    Sub("proxy", "PodProxyOptions", "", "v1", ("create", "delete", "get", "patch", "update")),
)
_SPECIAL = {
    "pods": _PODS,
    "services": (Sub("proxy", "ServiceProxyOptions", "", "v1", ("create", "get")),),
    "namespaces": (Sub("finalize", "Namespace", "", "v1", ("update",)),),
    "certificatesigningrequests.certificates.k8s.io": (
        Sub(
            "approval",
            "CertificateSigningRequest",
            "certificates.k8s.io",
            "v1",
            ("get", "patch", "update"),
        ),
    ),
    "serviceaccounts": (Sub("token", "TokenRequest", "authentication.k8s.io", "v1", ("create",)),),
}


def subresources(kind: Kind, version: str) -> tuple[Sub, ...]:
    """Return a kind's subresources, in order of name."""
    info = kind.info
    found = list(_SPECIAL.get(info.resource, ()))
    if info.status:
        found.append(Sub("status", info.kind, info.group, version, tuple(_CHANGE)))
    if info.scale:
        found.append(Sub("scale", "Scale", "autoscaling", "v1", tuple(_CHANGE)))
    return tuple(sorted(found, key=lambda sub: sub.name))


def group_versions(kinds: Iterable[Kind]) -> dict[str, list[str]]:
    """Return each group's versions, preferred first; the core group is the empty name."""
    groups: dict[str, list[str]] = {"": ["v1"]}
    for kind in kinds:
        versions = groups.setdefault(kind.info.group, [])
        versions.extend(v for v in kind.info.versions if v not in versions)
    for virtual in VIRTUAL:
        versions = groups.setdefault(virtual.group, [])
        if virtual.version not in versions:
            versions.append(virtual.version)
    return {
        group: sorted(versions, key=priority)
        for group, versions in sorted(groups.items(), key=lambda item: _group_order(item[0]))
    }


_GATEWAY_API = "gateway.networking.k8s.io"
"""Last, so that `kubectl get gateway` means Istio's Gateway, as where only Istio is installed."""


def _group_order(group: str) -> tuple[int, str]:
    first = ("", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io")
    if group in first:
        return first.index(group), group
    if group == _GATEWAY_API:
        return 30, group
    return (10 if group.endswith(".k8s.io") or "." not in group else 20), group


def priority(version: str) -> tuple[int, int, int]:
    """Order versions as Kubernetes does: v2, v1, v1beta2, v1beta1, v1alpha3 …"""
    for rank, word in ((1, "beta"), (2, "alpha")):
        major, found, minor = version[1:].partition(word)
        if found:
            return rank, -_digits(major), -_digits(minor)
    return 0, -_digits(version[1:]), 0


def _digits(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def api_versions(address: str) -> Json:
    """/api"""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(kinds: Iterable[Kind]) -> Json:
    """/apis"""
    groups = [group(name, versions) for name, versions in group_versions(kinds).items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(name: str, versions: list[str], *, alone: bool = False) -> Json:
    """/apis/GROUP, or its row in the list of groups."""
    rows = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    head: Json = {"kind": "APIGroup", "apiVersion": "v1"} if alone else {}
    return {**head, "name": name, "versions": rows, "preferredVersion": rows[0]}


def resource_list(kinds: Iterable[Kind], group_name: str, version: str) -> Json:
    """/api/v1 and /apis/GROUP/VERSION"""
    rows: list[Json] = []
    for kind in _of(kinds, group_name, version):
        rows.append(_row(kind))
        rows.extend(_subrow(kind, sub, version) for sub in subresources(kind, version))
    for virtual in VIRTUAL:
        if (virtual.group, virtual.version) == (group_name, version):
            rows.append(virtual.row())
    name = f"{group_name}/{version}" if group_name else version
    head: Json = {"kind": "APIResourceList"}
    if group_name:
        head["apiVersion"] = "v1"
    return {**head, "groupVersion": name, "resources": sorted(rows, key=lambda r: str(r["name"]))}


def _of(kinds: Iterable[Kind], group_name: str, version: str) -> list[Kind]:
    return [k for k in kinds if k.info.group == group_name and version in k.info.versions]


def _row(kind: Kind) -> Json:
    info = kind.info
    row: Json = {
        "name": info.plural,
        "singularName": info.singular,
        "namespaced": info.namespaced,
        "kind": info.kind,
        "verbs": _VERBS,
    }
    if info.short_names:
        row["shortNames"] = list(info.short_names)
    if info.categories:
        row["categories"] = list(info.categories)
    digest = hashlib.sha256(f"{info.group}/{info.versions[0]}/{info.kind}".encode()).hexdigest()
    row["storageVersionHash"] = digest[:11] + "="
    return row


def _subrow(kind: Kind, sub: Sub, version: str) -> Json:
    row: Json = {
        "name": f"{kind.info.plural}/{sub.name}",
        "singularName": "",
        "namespaced": kind.info.namespaced,
        "kind": sub.kind,
        "verbs": list(sub.verbs),
    }
    if (sub.group, sub.version) != (kind.info.group, version):
        row |= {"group": sub.group, "version": sub.version}
    return row


def aggregated(kinds: Iterable[Kind], form_version: str, *, core: bool) -> Json:
    """/api or /apis as an APIGroupDiscoveryList (apidiscovery.k8s.io)."""
    every = list(kinds)
    items = []
    for name, versions in group_versions(every).items():
        if (name == "") != core:
            continue
        rows = [
            {
                "version": version,
                "resources": _discovered(every, name, version),
                "freshness": "Current",
            }
            for version in versions
        ]
        metadata = {"name": name, "creationTimestamp": None} if name else {}
        items.append({"metadata": metadata, "versions": rows})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{form_version}",
        "metadata": {},
        "items": items,
    }


def _discovered(kinds: list[Kind], group_name: str, version: str) -> list[Json]:
    rows = [_discovered_row(kind, version) for kind in _of(kinds, group_name, version)]
    for virtual in VIRTUAL:
        if (virtual.group, virtual.version) == (group_name, version):
            rows.append(virtual.discovered())
    return sorted(rows, key=lambda row: str(row["resource"]))


def _discovered_row(kind: Kind, version: str) -> Json:
    info = kind.info
    row: Json = {
        "resource": info.plural,
        "responseKind": _gvk(info.group, version, info.kind),
        "scope": "Namespaced" if info.namespaced else "Cluster",
        "singularResource": info.singular,
        "verbs": _VERBS,
    }
    if info.short_names:
        row["shortNames"] = list(info.short_names)
    if info.categories:
        row["categories"] = list(info.categories)
    subs = [
        {
            "subresource": sub.name,
            "responseKind": _gvk(sub.group, sub.version, sub.kind),
            "verbs": list(sub.verbs),
        }
        for sub in subresources(kind, version)
    ]
    if subs:
        row["subresources"] = subs
    return row


def _gvk(group_name: str, version: str, kind: str) -> Json:
    return {"group": group_name, "version": version, "kind": kind}
