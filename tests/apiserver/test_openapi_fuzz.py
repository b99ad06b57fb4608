"""Schemathesis asks our server whatever our own OpenAPI documents allow, and what they do not.

No request may get a 5xx or a status that the document does not name; every answer must be of the
form that the document gives it (refusals are Status objects), and the server goes on answering.

A longer run: LATEEN_FUZZ_EXAMPLES=50 LATEEN_FUZZ_SEED=7 LATEEN_FUZZ_ALL=1 (every operation).
"""

import os
import random
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from openapi_spec_validator import OpenAPIV30SpecValidator
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

EXAMPLES = int(os.environ.get("LATEEN_FUZZ_EXAMPLES", "4"))
SEED = int(os.environ.get("LATEEN_FUZZ_SEED", "2026"))
ALL = bool(os.environ.get("LATEEN_FUZZ_ALL"))

DOCUMENTS = {
    "api/v1": 8,
    "apis/apps/v1": 3,
    "apis/networking.istio.io/v1": 7,
    "apis/security.istio.io/v1": 7,
    "apis/example.com/v1": 10,
}
"""How many operations of each document are tried; the seed chooses them. A pod template is so
wide that drawing one takes a second."""


def no_fault(context: Any, answer: Any, case: Any) -> Any:
    """No 5xx but 504, by which Kubernetes says that a version is newer than anything written."""
    return None if answer.status_code == 504 else not_a_server_error(context, answer, case)


CHECKS = [
    no_fault,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
NAMES = ("a", "b", "c")
NOISE = (
    "continue",
    "dryRun",
    "fieldSelector",
    "fieldValidation",
    "labelSelector",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
)
"""Parameters of which nearly every random text is refused, before anything else is looked at."""

WIDGETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.n"},
                },
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["size"],
                                "properties": {
                                    "size": {"type": "integer", "minimum": 0, "maximum": 9},
                                    "color": {"type": "string", "enum": ["red", "green"]},
                                    "port": {
                                        "x-kubernetes-int-or-string": True,
                                        "anyOf": [{"type": "integer"}, {"type": "string"}],
                                    },
                                    "free": {
                                        "type": "object",
                                        "x-kubernetes-preserve-unknown-fields": True,
                                    },
                                    "ratio": {"type": "number", "nullable": True},
                                },
                            },
                            "status": {"type": "object", "properties": {"n": {"type": "integer"}}},
                        },
                    }
                },
            }
        ],
    },
}


class Client:
    """Sends requests to the server under test."""

    def __init__(self, server: Any, directory: Path) -> None:
        self.base = f"https://127.0.0.1:{server.port}"
        self.ca = directory / "ca.pem"
        self.ca.write_text(server.ca_pem)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(self.ca)
        self.session.headers["Authorization"] = f"Bearer {server.token}"

    def get(self, path: str) -> Any:
        answer = self.session.get(self.base + path, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put_back(self, path: str, body: Any) -> None:
        """Create what an earlier request may have deleted."""
        answer = self.session.post(self.base + path, json=body, timeout=20)
        assert answer.status_code in (201, 409), answer.text


@pytest.fixture(scope="module")
def client(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    made = Client(server, tmp_path_factory.mktemp("fuzz"))
    made.put_back("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", WIDGETS)
    yield made
    made.session.close()


def number(value: Any) -> int:
    """A number that depends on the value alone: what is drawn decides how it is steered."""
    return zlib.crc32(repr(value).encode())


def steer(schema: Any) -> None:
    """Lead most requests to objects that exist: random names would only ever meet a 404."""

    @schema.hook
    def map_path_parameters(_: Any, drawn: Any) -> Any:
        known = {"namespace": "default", "name": NAMES[number(drawn) % 3]}
        keep = number(drawn) % 10 == 0
        return drawn if keep else {k: known.get(k, v) for k, v in (drawn or {}).items()}

    @schema.hook
    def map_query(_: Any, drawn: Any) -> Any:
        # A watch answers until its time is up; test_hostile.py sees to its parameters.
        left = {k: v for k, v in (drawn or {}).items() if k not in ("watch", "follow")}
        if number(drawn) % 8:
            left = {k: v for k, v in left.items() if k not in NOISE}
        return left

    @schema.hook
    def map_body(_: Any, drawn: Any) -> Any:
        if not isinstance(drawn, dict) or number(drawn) % 10 == 0 or "spec" not in drawn:
            return drawn
        body = {k: v for k, v in drawn.items() if k not in ("apiVersion", "kind")}
        metadata = body.get("metadata")
        given = metadata if isinstance(metadata, dict) and number(drawn) % 3 == 0 else {}
        gone = ("namespace", "resourceVersion", "uid")
        kept = {k: v for k, v in given.items() if k not in gone}
        return {**body, "metadata": {**kept, "name": NAMES[number(drawn) % 3]}}


def ask(client: Client, operation: Any, mode: Any, seen: "Counter[int]") -> None:
    """Send what is drawn for one operation. Raises what the checks find, all of it at once."""

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        answer = case.call(
            base_url=client.base, session=client.session, verify=str(client.ca), timeout=20
        )
        seen[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    send()


@pytest.mark.timeout(0 if ALL else 120)
@pytest.mark.parametrize("path", DOCUMENTS)
def test_no_request_of_the_document_breaks_the_server(client: Client, path: str) -> None:
    document = client.get(f"/openapi/v3/{path}")
    assert not list(OpenAPIV30SpecValidator(document).iter_errors())
    schema = schemathesis.openapi.from_dict(document)
    steer(schema)
    operations = [made.ok() for made in schema.get_all_operations()]
    random.Random(f"{SEED}{path}").shuffle(operations)
    seen: Counter[int] = Counter()
    for operation in operations if ALL else operations[: DOCUMENTS[path]]:
        client.put_back("/api/v1/namespaces", {"metadata": {"name": "default"}})
        modes = [GenerationMode.POSITIVE]
        if operation.method in ("post", "put", "patch"):
            modes.append(GenerationMode.NEGATIVE)
        for mode in modes:
            ask(client, operation, mode, seen)
    assert client.get("/version")["major"] == "1"
    assert seen[200] + seen[201], "nothing was ever accepted: the test tries nothing"
