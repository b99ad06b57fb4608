"""Which DestinationRule applies, and what several for one host make together. Pure."""

from collections.abc import Callable, Iterable

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.registry import hosts
from lateen.compiler.frontend.traffic import locality
from lateen.compiler.ir.proxy import Features
from lateen.model.istio import networking_policy
from lateen.model.meta import ObjectRef, Source

Rules = tuple[networking_policy.DestinationRule, ...]


class Subset(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One subset and the DestinationRule field that declares it."""

    name: str
    spec: networking_policy.Subset
    source: Source


class Rule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one or more DestinationRules of a namespace say together about a host."""

    namespace: str
    host: str
    source: Source
    export_to: tuple[str, ...]
    policy: networking_policy.TrafficPolicy | None
    policy_source: Source
    subsets: tuple[Subset, ...]
    members: tuple[ObjectRef, ...] = ()
    """The DestinationRules it is merged from."""
    selector: tuple[tuple[str, str], ...] = ()
    """`workloadSelector`: only for these clients, and only in the rule's own namespace."""
    index: int = 0
    """Place among the rules for the same host that could not be merged."""
    hashing: bool = False
    """Whether any level balances by consistent hash."""
    passing: bool = False
    """Whether any level asks for load balancing PASSTHROUGH."""
    near: frozenset[str] = frozenset()
    """Labels of clients by which endpoints are near or far to them."""

    def subset(self, name: str) -> Subset | None:
        """Return the subset of that name, or None."""
        return next((s for s in self.subsets if s.name == name), None)


def merge(
    rules: Rules, host: str, features: Features, *, private: bool = False
) -> tuple[Rule, ...]:
    """Merge the rules of one namespace for one host, oldest first.

    Subsets are joined (a name declared twice counts once) and the oldest policy that is set
    wins whole. Since Istio 1.24 rules merge only when their exportTo are equal, or
    the later is a superset of a written earlier one. Rules with a workloadSelector merge only with
    others of the same selector. `private` rules are their own namespace's where they do not say.
    """
    if len(rules) == 1:
        return (_marked(_single(rules[0], host, features, private=private), 0),)
    groups: list[Rule] = []
    for obj in sorted(rules, key=precedence.age):
        made = _single(obj, host, features, private=private)
        for index, group in enumerate(groups):
            if _mergeable(group, made, by_export=features.rule_merge_by_export):
                groups[index] = _join(group, made)
                break
        else:
            groups.append(made)
    return tuple(_marked(group, index) for index, group in enumerate(groups))


def _marked(group: Rule, index: int) -> Rule:
    found: list[networking_policy.LoadBalancerSettings] = []
    for level in (group.policy, *[s.spec.traffic_policy for s in group.subsets]):
        if level is not None:
            blocks = (level.load_balancer, *[p.load_balancer for p in level.port_level_settings])
            found += [block for block in blocks if block is not None]
    if not found and not index and not group.near:
        return group
    return msgspec.structs.replace(
        group,
        index=index,
        hashing=any(block.consistent_hash is not None for block in found),
        passing=any(block.simple == "PASSTHROUGH" for block in found),
    )


def _single(
    obj: networking_policy.DestinationRule, host: str, features: Features, *, private: bool
) -> Rule:
    source = precedence.source("DestinationRule", obj)
    spec = obj.spec
    selector = spec.workload_selector
    return Rule(
        namespace=obj.metadata.namespace,
        host=host,
        source=source,
        members=(source.ref,),
        export_to=_export_to(obj, features, private=private),
        policy=spec.traffic_policy,
        policy_source=precedence.source("DestinationRule", obj, "spec.trafficPolicy"),
        subsets=tuple(
            Subset(name=s.name, spec=s, source=source.at(f"spec.subsets[{i}]"))
            for i, s in enumerate(spec.subsets)
        ),
        selector=tuple(sorted(selector.match_labels.items())) if selector is not None else (),
        near=frozenset(locality.asked(spec)),
    )


def _export_to(
    obj: networking_policy.DestinationRule, features: Features, *, private: bool
) -> tuple[str, ...]:
    """Return exportTo with `.` written out; unset stays unset, which is not the same as `*`, unless
    the mesh says that such rules are private. It can say no other thing, as in Istio."""
    if not obj.spec.export_to:
        return (obj.metadata.namespace,) if private else ()
    own = obj.metadata.namespace
    found = {own if e == "." else e for e in obj.spec.export_to}
    if own in found and "*" not in found and not features.rule_exported_beside_home:
        return (own,)
    return tuple(sorted(found))


def _mergeable(group: Rule, made: Rule, *, by_export: bool) -> bool:
    if group.selector or made.selector:
        return bool(group.selector) and group.selector == made.selector
    if not by_export:
        return True
    earlier, later = set(group.export_to), set(made.export_to)
    return earlier == later or (bool(earlier) and earlier <= later)


def _join(group: Rule, made: Rule) -> Rule:
    known = {s.name for s in group.subsets}
    unset = group.policy is None
    return msgspec.structs.replace(
        group,
        members=group.members + made.members,
        near=group.near | made.near,
        policy=made.policy if unset else group.policy,
        policy_source=made.policy_source if unset else group.policy_source,
        subsets=group.subsets + tuple(s for s in made.subsets if s.name not in known),
    )


Lookup = Callable[[str, str], tuple[Rule, ...]]
"""(namespace, written host) -> merged rules."""

Written = Callable[[str, str], tuple[str, ...]]
"""(namespace, hostname) -> hosts written in its rules that cover it, most specific first."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """Where rules are looked up: the merged rules and the hosts of each namespace."""

    rules: Lookup
    written: Written
    root: str

    def select(
        self, client: str, labels: dict[str, str], service: str, hostname: str
    ) -> Rule | None:
        """Return the rule that a client in namespace `client` obeys for a host of namespace
        `service`.

        The client's own namespace comes first, then the service's, then the root namespace. In
        the latter two only the most specific host counts: if that rule is not exported to the
        client, the search goes on in the next namespace, not with a wider host.
        """
        local = self._local(client, labels, hostname)
        if local is not None:
            return local
        return self.beside(client, service, hostname)

    def beside(self, client: str, service: str, hostname: str) -> Rule | None:
        """Return the rule that counts for a client whose own namespace has none."""
        for namespace in dict.fromkeys((service, self.root)):
            found = self._exported(namespace, client, hostname)
            if found is not None:
                return found
        return None

    def _local(self, client: str, labels: dict[str, str], hostname: str) -> Rule | None:
        for host in self.written(client, hostname):
            usable = [r for r in self.rules(client, host) if self._usable_at_home(r, client)]
            chosen = _for_client(usable, labels)
            if chosen is not None:
                return chosen
        return None

    def _usable_at_home(self, rule: Rule, client: str) -> bool:
        """In the root namespace only what is private to it counts as the client's own, lest its
        mesh-wide rules hide those beside the services."""
        if rule.selector:
            return True
        if client == self.root:
            return rule.export_to == (client,)
        return precedence.exported(rule.export_to, client, client)

    def _exported(self, namespace: str, client: str, hostname: str) -> Rule | None:
        for host in self.written(namespace, hostname):
            public = [
                r
                for r in self.rules(namespace, host)
                if not r.selector and r.export_to != (namespace,)
            ]
            if public:
                visible = [r for r in public if precedence.exported(r.export_to, namespace, client)]
                return _for_client(visible, {})
        return None


def _for_client(rules: Iterable[Rule], labels: dict[str, str]) -> Rule | None:
    """Return the first rule whose selector matches, else the newest without one."""
    plain = None
    for rule in rules:
        if not rule.selector:
            plain = rule
        elif all(labels.get(k) == v for k, v in rule.selector):
            return rule
    return plain


def covering(hostname: str, exact: bool, wildcards: tuple[str, ...]) -> tuple[str, ...]:
    """Return the written hosts that cover `hostname`: itself if `exact`, then wildcards, of
    which `wildcards` is the namespace's list, most specific first."""
    found = tuple(w for w in wildcards if hosts.covers(w, hostname))
    return (hostname, *found) if exact else found
