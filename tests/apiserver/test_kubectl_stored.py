"""Roles, and the kinds that are stored and listed only: kubectl knows all their fields."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

TEXT = (Path(__file__).parent / "stored.yaml").read_text()
COUNT = len(list(yaml.safe_load_all(TEXT)))
SENT_AGAIN = (
    "networkpolicy.networking.k8s.io/web",
    "poddisruptionbudget.policy/web",
    "limitrange/small",
    "validatingwebhookconfiguration.admissionregistration.k8s.io/web",
)
"""What kubectl sends again each time: a budget's selector and lists whose elements have defaults
are replaced as a whole, so to kubectl they look changed. The server then changes nothing."""
TYPOS = (
    ("resourceNames: [web]", "resourceName: [web]", "rules[0].resourceName"),
    ("subjects:\n", "subject:\n", "subject"),
    ("kind: Role, name", "kind: Role, namespace: a, name", "roleRef.namespace"),
    (
        "[{matchLabels: {probes",
        "[{matchLabel: {probes",
        "aggregationRule.clusterRoleSelectors[0].matchLabel",
    ),
    ("ingressClassName", "ingressClass", "spec.ingressClass"),
    ("secretName: web", "secret: web", "spec.tls[0].secret"),
    ("parameters: {apiGroup", "parameters: {group", "spec.parameters.group"),
    ("except:", "excepts:", "spec.egress[0].to[0].ipBlock.excepts"),
    ("unhealthyPod", "unhealthyPods", "spec.unhealthyPodsEvictionPolicy"),
    ("averageUtilization: 60", "averageUse: 60", "spec.metrics[0].resource.target.averageUse"),
    ("holderIdentity", "holder", "spec.holder"),
    ("value: 1000", "value: 1000\nvalues: 1", "values"),
    ("reclaimPolicy: Retain\nv", "reclaim: Retain\nv", "reclaim"),
    ("nodePublishSecretRef", "publishSecretRef", "spec.csi.publishSecretRef"),
    ("selector: {matchLabels: {kind", "selector: {matchLabel: {kind", "spec.selector.matchLabel"),
    ("hard:", "hards:", "spec.hards"),
    ("defaultRequest:", "defaultRequests:", "spec.limits[0].defaultRequests"),
    ("{name: main, image", "{name: main, img", "spec.template.spec.containers[0].img"),
    ("revision: 1", "revision: 1\nrevisions: 1", "revisions"),
    ("usages:", "usage:", "spec.usage"),
    ("reinvocationPolicy", "reinvocation", "webhooks[0].reinvocation"),
    ("volumeMode: F", "mode: F", "spec.volumeClaimTemplates[0].spec.mode"),
    ("caBundle", "bundle", "webhooks[0].clientConfig.bundle"),
)


@pytest.fixture
def applied(kubectl: Any) -> Iterator[list[str]]:
    """What kubectl says of each of the objects when it applies them all."""
    done = kubectl("apply", "-f", "-", stdin=TEXT)
    warned = [line.split(" ")[1] for line in done.err.splitlines() if "stored and listed" in line]
    assert {"ingresses.networking.k8s.io", "leases.coordination.k8s.io"} <= set(warned)
    assert not any("rbac" in one for one in warned)
    yield done.lines
    kubectl("delete", "--wait=false", "--ignore-not-found", "-f", "-", stdin=TEXT)


def words(lines: list[str]) -> list[str]:
    return [line.split(" ")[1] for line in lines]


def test_the_same_again_changes_nothing(kubectl: Any, applied: list[str]) -> None:
    assert words(applied) == ["created"] * COUNT
    again = kubectl("apply", "--validate=strict", "-f", "-", stdin=TEXT).lines
    changed = [line for line in again if not line.endswith(" unchanged")]
    assert changed == [f"{one} configured" for one in SENT_AGAIN]
    assert len(again) == COUNT
    query = ("get", "-o", "jsonpath={.items[*].metadata.resourceVersion}", "-f", "-")
    sent = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    kubectl(*sent, stdin=TEXT)
    before = kubectl(*query, stdin=TEXT).out
    kubectl(*sent, stdin=TEXT)
    assert before
    assert kubectl(*query, stdin=TEXT).out == before


def test_misspelt_fields_are_refused_or_warned_of(kubectl: Any) -> None:
    text = TEXT
    for right, wrong, _ in TYPOS:
        assert right in text
        text = text.replace(right, wrong, 1)
    sent = ("create", "--dry-run=server", "-f", "-")
    refused = kubectl(*sent, "--validate=strict", stdin=text, code=1)
    warned = kubectl(*sent, "--validate=warn", stdin=text).err
    for _, _, path in TYPOS:
        assert f'unknown field "{path}"' in refused.err, path
        assert f'unknown field "{path}"' in warned, path
    silent = kubectl(*sent, "--validate=ignore", stdin=text).err
    assert "unknown field" not in silent


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("role.rules", ("FIELD: rules <[]PolicyRule>", "verbs\t<[]string> -required-")),
        ("clusterrole.aggregationRule", ("clusterRoleSelectors\t<[]LabelSelector>",)),
        ("rolebinding.roleRef", ("FIELD: roleRef <RoleRef>", "apiGroup\t<string>")),
        ("ingress.spec.rules --recursive", ("pathType\t<string> -required-", "number\t<integer>")),
        ("netpol.spec.egress.to.ipBlock", ("except\t<[]string>",)),
        (
            "hpa.spec.metrics",
            (
                "FIELD: metrics <[]MetricSpec>",
                "enum: ContainerResource, External",
                "What pods use.\n",
            ),
        ),
        ("hpa.spec", ("maxReplicas\t<integer> -required-",)),
        ("crd.spec.versions", ("additionalPrinterColumns\t<[]CustomResourceColumnDefinition>",)),
        ("deployment.spec", ("How old pods are replaced.\n",)),
        ("pdb.spec", ("maxUnavailable\t<IntOrString>", "selector\t<LabelSelector>")),
        ("quota.spec", ("hard\t<map[string]Quantity>",)),
        ("pdb.spec.selector", ("Pods it is for;", "Selects objects by label;")),
        ("lease.spec", ("renewTime\t<string>",)),
        ("pv.spec.csi", ("volumeHandle\t<string> -required-",)),
        ("sc", ("provisioner\t<string> -required-",)),
        ("csr.spec", ("request\t<string> -required-",)),
        ("mutatingwebhookconfiguration.webhooks", ("reinvocationPolicy\t<string>",)),
    ],
)
def test_fields_are_explained(kubectl: Any, asked: str, said: tuple[str, ...]) -> None:
    shown = kubectl("explain", *asked.split(" ")).out
    assert not [one for one in said if one not in shown]


def test_a_budget_takes_a_new_selector_as_a_whole(kubectl: Any, applied: list[str]) -> None:
    budget = next(one for one in yaml.safe_load_all(TEXT) if one["kind"] == "PodDisruptionBudget")
    budget["spec"]["selector"] = {"matchLabels": {"tier": "front"}}
    assert words(kubectl("apply", "-f", "-", stdin=json.dumps(budget)).lines) == ["configured"]
    found = kubectl("get", "pdb", "web", "-o", "jsonpath={.spec.selector}").out
    assert json.loads(found) == {"matchLabels": {"tier": "front"}}
    patch = '{"spec":{"selector":{"matchLabels":{"tier":"back"},"matchExpressions":[]}}}'
    kubectl("patch", "pdb", "web", "-p", '{"spec":{"selector":{"matchLabels":{"a":"b"}}}}')
    kubectl("patch", "pdb", "web", "-p", patch)
    found = kubectl("get", "pdb", "web", "-o", "jsonpath={.spec.selector.matchLabels}").out
    assert json.loads(found) == {"tier": "back"}


def test_webhooks_are_merged_by_name(kubectl: Any, applied: list[str]) -> None:
    patch = '{"webhooks":[{"name":"web.example.com","timeoutSeconds":3}]}'
    kubectl("patch", "validatingwebhookconfiguration", "web", "-p", patch)
    path = "jsonpath={.webhooks[*].timeoutSeconds} {.webhooks[*].clientConfig.url}"
    found = kubectl("get", "validatingwebhookconfiguration", "web", "-o", path).out
    assert found == "3 https://example.com/validate"
