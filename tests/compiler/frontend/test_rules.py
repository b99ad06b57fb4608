"""Which DestinationRule a client obeys, and what several make together."""

from typing import Any

import pytest
import yaml

from lateen.compiler.frontend.traffic import rules
from lateen.compiler.ir.proxy import Features
from lateen.model.schema import decode, kinds

HOST = "web.shop.svc.cluster.local"


def merging(by_export: bool) -> Features:
    return Features(version="1.32", rule_merge_by_export=by_export)


def rule(text: str) -> Any:
    """A DestinationRule from `{name, namespace, created?, spec}` in YAML."""
    given = yaml.safe_load(text)
    meta = {"name": given["name"], "namespace": given["namespace"]}
    meta["creationTimestamp"] = given.get("created", "2024-01-01T00:00:00Z")
    info = kinds.find("networking.istio.io/v1", "DestinationRule")
    assert info is not None
    body = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": meta,
        "spec": given["spec"],
    }
    decoded = decode.decode(info, body)
    assert decoded.problems == ()
    return decoded.object


def search(*objects: Any, by_export: bool = True) -> rules.Search:
    filed: dict[tuple[str, str], list[Any]] = {}
    for obj in objects:
        filed.setdefault((obj.metadata.namespace, obj.spec.host), []).append(obj)

    def written(namespace: str, hostname: str) -> tuple[str, ...]:
        own = sorted(
            (h for ns, h in filed if ns == namespace), key=lambda h: (h[0] == "*", -len(h))
        )
        wild = tuple(h for h in own if h.startswith("*"))
        return rules.covering(hostname, hostname in own, wild)

    return rules.Search(
        rules=lambda ns, host: rules.merge(tuple(filed[ns, host]), host, merging(by_export)),
        written=written,
        root="istio-system",
    )


def chosen(found: rules.Rule | None) -> str:
    return "-" if found is None else f"{found.source.ref.namespace}/{found.source.ref.name}"


EXACT = f"{{name: exact, namespace: shop, spec: {{host: {HOST}}}}}"
PRIVATE = f"{{name: private, namespace: shop, spec: {{host: {HOST}, exportTo: ['.']}}}}"
TO_APP = f"{{name: to-app, namespace: shop, spec: {{host: {HOST}, exportTo: [app]}}}}"
WIDE = "{name: wide, namespace: app, spec: {host: '*.local'}}"
WIDER = "{name: wider, namespace: app, spec: {host: '*'}}"
CLIENT = f"{{name: client, namespace: app, spec: {{host: {HOST}}}}}"
CLIENT_FOR_OTHERS = f"{{name: theirs, namespace: app, spec: {{host: {HOST}, exportTo: [else]}}}}"
ROOT = f"{{name: root, namespace: istio-system, spec: {{host: {HOST}}}}}"
ROOT_WIDE = "{name: rootwide, namespace: istio-system, spec: {host: '*'}}"
ROOT_PRIVATE = "{name: rootown, namespace: istio-system, spec: {host: '*', exportTo: ['.']}}"
SHOP_WIDE = "{name: shopwide, namespace: shop, spec: {host: '*.svc.cluster.local'}}"


@pytest.mark.parametrize(
    ("client", "objects", "expected"),
    [
        ("app", [], "-"),
        ("app", [EXACT], "shop/exact"),
        ("app", [EXACT, CLIENT], "app/client"),
        ("app", [EXACT, WIDE], "app/wide"),
        ("app", [WIDE, WIDER], "app/wide"),
        ("app", [WIDE, CLIENT], "app/client"),
        ("app", [EXACT, ROOT], "shop/exact"),
        ("app", [ROOT], "istio-system/root"),
        ("app", [PRIVATE], "-"),
        ("shop", [PRIVATE], "shop/private"),
        ("app", [PRIVATE, ROOT], "istio-system/root"),
        ("app", [TO_APP], "shop/to-app"),
        ("third", [TO_APP], "-"),
        ("third", [TO_APP, ROOT_WIDE], "istio-system/rootwide"),
        ("third", [TO_APP, SHOP_WIDE], "-"),
        ("app", [CLIENT_FOR_OTHERS, EXACT], "shop/exact"),
        ("istio-system", [ROOT_WIDE, EXACT], "shop/exact"),
        ("istio-system", [ROOT_WIDE], "istio-system/rootwide"),
        ("istio-system", [ROOT_PRIVATE, EXACT], "istio-system/rootown"),
    ],
)
def test_selection(client: str, objects: list[str], expected: str) -> None:
    found = search(*map(rule, objects)).select(client, {}, "shop", HOST)
    assert chosen(found) == expected


SELECTING = (
    f"{{name: some, namespace: app, spec: {{host: {HOST}, workloadSelector: "
    "{matchLabels: {app: a}}}}"
)


@pytest.mark.parametrize(
    ("client", "labels", "expected"),
    [
        ("app", {"app": "a"}, "app/some"),
        ("app", {"app": "b"}, "app/client"),
        ("shop", {"app": "a"}, "shop/exact"),
    ],
)
def test_workload_selector(client: str, labels: dict[str, str], expected: str) -> None:
    found = search(rule(SELECTING), rule(CLIENT), rule(EXACT)).select(client, labels, "shop", HOST)
    assert chosen(found) == expected


def pair(old: str, new: str) -> tuple[Any, Any]:
    def made(name: str, created: str, spec: str) -> Any:
        head = f"name: {name}, namespace: shop, created: '{created}'"
        return rule(f"{{{head}, spec: {{host: {HOST}, {spec}}}}}")

    return made("old", "2020-01-01T00:00:00Z", old), made("new", "2021-01-01T00:00:00Z", new)


def test_merge_joins_subsets_and_keeps_the_oldest_policy() -> None:
    old, new = pair(
        "subsets: [{name: a, labels: {v: '1'}}], trafficPolicy: {tls: {mode: DISABLE}}",
        "subsets: [{name: a, labels: {v: '2'}}, {name: b}], trafficPolicy: {tls: {mode: SIMPLE}}",
    )
    (made,) = rules.merge((new, old), HOST, merging(True))
    assert [(s.name, s.source.ref.name) for s in made.subsets] == [("a", "old"), ("b", "new")]
    assert made.policy is old.spec.traffic_policy
    assert str(made.policy_source) == "DestinationRule/shop/old#spec.trafficPolicy"


def test_merge_takes_the_younger_policy_if_the_older_has_none() -> None:
    old, new = pair("subsets: [{name: a}]", "trafficPolicy: {tls: {mode: SIMPLE}}")
    (made,) = rules.merge((old, new), HOST, merging(True))
    assert made.policy is new.spec.traffic_policy
    assert made.policy_source.ref.name == "new"


@pytest.mark.parametrize(
    ("old", "new", "groups"),
    [
        ("exportTo: ['*']", "exportTo: ['*']", 1),
        ("exportTo: ['*']", "subsets: [{name: b}]", 2),
        ("subsets: [{name: b}]", "exportTo: ['*']", 2),
        ("exportTo: ['.']", "exportTo: [shop]", 1),
        ("exportTo: ['.']", "exportTo: ['.', app]", 1),
        ("exportTo: ['.', app]", "exportTo: ['.']", 2),
    ],
)
def test_rules_with_different_export_stay_apart_since_1_24(old: str, new: str, groups: int) -> None:
    both = pair(old, new)
    assert len(rules.merge(both, HOST, merging(True))) == groups
    assert len(rules.merge(both, HOST, merging(False))) == 1


def test_of_rules_that_stay_apart_the_newest_serves() -> None:
    both = pair("exportTo: ['*'], trafficPolicy: {tls: {mode: SIMPLE}}", "subsets: [{name: b}]")
    found = search(*both).select("app", {}, "shop", HOST)
    assert found is not None
    assert (chosen(found), found.policy) == ("shop/new", None)
    before = search(*both, by_export=False).select("app", {}, "shop", HOST)
    assert before is not None
    assert before.policy is both[0].spec.traffic_policy
