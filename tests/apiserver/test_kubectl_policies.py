"""ValidatingAdmissionPolicies as people use them: written, bound, met, and taken away."""

from collections.abc import Iterator
from typing import Any

import pytest

POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: few.example.com}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}
  matchConditions:
  - {name: not-roots, expression: "!object.metadata.name.endsWith('.crt')"}
  variables:
  - {name: size, expression: "has(object.data) ? size(object.data) : 0"}
  - {name: twice, expression: "variables.size * 2"}
  validations:
  - expression: variables.twice <= 4
    messageExpression: "'too many keys: ' + string(variables.size)"
  - expression: "!('secret' in object.?data.orValue({}))"
    message: no secrets here
    reason: Forbidden
  - expression: oldObject == null || request.operation == 'UPDATE'
"""
BINDING = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: few}
spec:
  policyName: few.example.com
  validationActions: [Deny]
  matchResources:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: HERE}}
"""
PARAMETERS = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: bounded.example.com}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: ["*"], resources: [deployments]}
  validations:
  - expression: object.spec.replicas <= int(params.data.most)
"""
BOUND = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: bounded}
spec:
  policyName: bounded.example.com
  validationActions: [Deny]
  paramRef: {name: bounds, namespace: HERE, parameterNotFoundAction: Deny}
"""


@pytest.fixture
def in_force(kubectl: Any) -> Iterator[None]:
    text = f"{POLICY}---{BINDING}".replace("HERE", kubectl.namespace)
    kubectl("apply", "-f", "-", stdin=text)
    yield
    kubectl("delete", "-f", "-", "--ignore-not-found", stdin=text)
    kubectl("delete", "configmap", "a", "b", "x.crt", "--ignore-not-found")


def test_a_policy_refuses_and_lets_pass(kubectl: Any, in_force: None) -> None:
    few = ("--from-literal=one=1", "--from-literal=two=2")
    kubectl("create", "configmap", "a", *few)
    refused = kubectl("create", "configmap", "b", *few, "--from-literal=three=3", code=1).err
    assert refused.strip().endswith(
        "ValidatingAdmissionPolicy 'few.example.com' with binding 'few' denied request: "
        "too many keys: 3"
    )
    refused = kubectl("patch", "configmap", "a", "-p", '{"data":{"three":"3"}}', code=1).err
    assert refused.startswith('The configmaps "a" is invalid: : ValidatingAdmissionPolicy')
    refused = kubectl("patch", "configmap", "a", "-p", '{"data":{"two":null,"secret":"x"}}', code=1)
    assert "is forbidden" in refused.err
    assert "no secrets here" in refused.err
    kubectl("create", "configmap", "x.crt", *few, "--from-literal=three=3")


def test_a_binding_says_where(kubectl: Any, in_force: None) -> None:
    many = [f"--from-literal=k{n}=1" for n in range(5)]
    kubectl("create", "configmap", "many", "-n", "default", *many)
    kubectl("delete", "configmap", "many", "-n", "default")
    kubectl("patch", "validatingadmissionpolicybinding", "few", "--type=merge", "-p",
            '{"spec":{"validationActions":["Warn"]}}')  # fmt: skip
    warned = kubectl("create", "configmap", "b", *many).err
    assert "Warning: Validation failed for ValidatingAdmissionPolicy 'few.example.com'" in warned
    assert "too many keys: 5" in warned
    kubectl("delete", "validatingadmissionpolicybinding", "few")
    kubectl("patch", "configmap", "b", "-p", '{"data":{"k9":"1"}}')


def test_parameters(kubectl: Any) -> None:
    text = f"{PARAMETERS}---{BOUND}".replace("HERE", kubectl.namespace)
    deployment = ("create", "deployment", "web", "--image=nginx", "--dry-run=server")
    kubectl("apply", "--server-side", "-f", "-", stdin=text)
    try:
        missing = kubectl(*deployment, code=1).err
        assert "no params found for policy binding with `Deny` parameterNotFoundAction" in missing
        kubectl("create", "configmap", "bounds", "--from-literal=most=2")
        kubectl(*deployment, "--replicas=2")
        refused = kubectl(*deployment, "--replicas=3", code=1).err
        assert "failed expression: object.spec.replicas <= int(params.data.most)" in refused
        kubectl("patch", "configmap", "bounds", "-p", '{"data":{"most":"x"}}')
        assert "resulted in error" in kubectl(*deployment, code=1).err
        kubectl("patch", "validatingadmissionpolicy", "bounded.example.com", "--type=merge", "-p",
                '{"spec":{"failurePolicy":"Ignore"}}')  # fmt: skip
        kubectl(*deployment)
    finally:
        kubectl("delete", "-f", "-", stdin=text)
        kubectl("delete", "configmap", "bounds", "--ignore-not-found")


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("variables.twice <= 4", "variables.twice <=", "compilation failed"),
        ("variables.twice <= 4", "self.x", "undeclared reference to 'self"),
        ("operations: [CREATE, UPDATE]", "operations: []", "resourceRules[0].operations"),
        ("reason: Forbidden", "reason: Tired", "spec.validations[1].reason: Unsupported value"),
    ],
)
def test_what_is_wrong_with_a_policy(kubectl: Any, right: str, wrong: str, said: str) -> None:
    assert right in POLICY
    refused = kubectl("create", "-f", "-", stdin=POLICY.replace(right, wrong), code=1)
    assert said in refused.err


def test_what_is_wrong_with_a_binding(kubectl: Any) -> None:
    text = BINDING.replace("[Deny]", "[Deny, Warn]")
    assert (
        "must not contain both Deny and Warn"
        in kubectl("create", "-f", "-", stdin=text, code=1).err
    )
    text = BOUND.replace("name: bounds, ", "")
    assert "one of name or selector" in kubectl("create", "-f", "-", stdin=text, code=1).err


def test_what_is_not_there_is_named(kubectl: Any) -> None:
    text = POLICY.replace("variables.twice <= 4", "authorizer.group('').check('get').allowed()")
    told = kubectl("create", "-f", "-", stdin=text).err
    assert "[LTN0018]" in told
    assert "authorizer is not known here" in told
    kubectl("delete", "-f", "-", stdin=text)


def test_no_policy_keeps_itself_from_being_deleted(kubectl: Any) -> None:
    text = POLICY.replace('[""]', '["*"]').replace("[configmaps]", '["*"]')
    text = text.replace("[CREATE, UPDATE]", '["*"]').replace("variables.twice <= 4", "1 > 2")
    both = f"{text}---{BINDING}".replace("  matchResources:", "").replace(
        "    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: HERE}}", ""
    )
    kubectl("apply", "-f", "-", stdin=both)
    assert "denied request" in kubectl("create", "namespace", "one", code=1).err
    kubectl("delete", "-f", "-", stdin=both)


DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com, annotations: {example.com/channel: CHANNEL}}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
"""
CHANNELS = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: channels.example.com}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apiextensions.k8s.io], apiVersions: [v1], operations: ["*"], resources: ["*"]}
  validations:
  - expression: >-
      oldObject == null || object.metadata.annotations['example.com/channel'] == 'standard'
      || oldObject.metadata.annotations['example.com/channel'] == 'experimental'
    message: no experiments over what is standard
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: channels}
spec: {policyName: channels.example.com, validationActions: [Deny]}
"""


def test_definitions_are_asked_about_too(kubectl: Any) -> None:
    sent = ("apply", "--server-side", "-f", "-")
    kubectl(*sent, stdin=CHANNELS.replace('["*"], resources', "[CREATE, UPDATE], resources"))
    try:
        kubectl(*sent, stdin=DEFINITION.replace("CHANNEL", "standard"))
        refused = kubectl(*sent, stdin=DEFINITION.replace("CHANNEL", "experimental"), code=1)
        assert "no experiments over what is standard" in refused.err
        kubectl(*sent, stdin=DEFINITION.replace("CHANNEL", "standard"))
    finally:
        kubectl("delete", "-f", "-", stdin=CHANNELS)
        kubectl("delete", "crd", "things.example.com")
