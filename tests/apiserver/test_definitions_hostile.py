"""Definitions that are misshapen somewhere: refused and forgotten, or served whole."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings, strategies as st

from lateen.apiserver.kinds import crds
from lateen.apiserver.writing import verbs

Json = dict[str, Any]
Path = tuple[str | int, ...]
DEFINITION: Json = {
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "conversion": {"strategy": "None"},
        "names": {
            "plural": "widgets",
            "singular": "widget",
            "kind": "Widget",
            "shortNames": ["wd"],
            "categories": ["all"],
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "deprecated": True,
                "deprecationWarning": "old",
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.n"}},
                "additionalPrinterColumns": [
                    {"name": "N", "type": "integer", "jsonPath": ".spec.n", "priority": 1}
                ],
                "selectableFields": [{"jsonPath": ".spec.color"}],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["color"],
                                "x-kubernetes-validations": [
                                    {
                                        "rule": "self.n < 9",
                                        "message": "many",
                                        "messageExpression": "'n'",
                                        "reason": "FieldValueInvalid",
                                        "fieldPath": ".n",
                                        "optionalOldSelf": False,
                                    }
                                ],
                                "properties": {
                                    "color": {"type": "string", "enum": ["a"], "pattern": "a"},
                                    "n": {"type": "integer", "default": 1, "minimum": 0},
                                    "port": {"x-kubernetes-int-or-string": True},
                                    "pod": {
                                        "type": "object",
                                        "x-kubernetes-embedded-resource": True,
                                    },
                                    "ports": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["name"],
                                        "items": {
                                            "type": "object",
                                            "properties": {"name": {"type": "string"}},
                                        },
                                    },
                                    "any": {"type": "object", "additionalProperties": True},
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}
VALUES = (5, -1, "x", "", [], {}, None, [5], ["x"], {"a": 5}, True, [[]], [{}], 1.5)
OBJECTS = (
    {"color": "a"},
    {"color": "a", "n": 20, "port": "x", "ports": [{"name": "x"}, {"name": "x"}], "any": {"a": 1}},
    {"color": 7, "pod": {"kind": "Pod"}, "ports": [3]},
)


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from places(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from places(one, (*path, index))


PLACES = tuple(places(DEFINITION["spec"], ("spec",)))


def changed(path: Path, value: Any) -> Json:
    made = copy.deepcopy(DEFINITION)
    holder: Any = made
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return made


BOXES = "/apis/example.com/v1/namespaces/default/widgets"
READ = ("/apis", "/openapi/v3/apis/example.com/v1", "/apis/example.com/v1", BOXES)


@settings(
    max_examples=100,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@example(path=PLACES[0], value=DEFINITION["spec"])
@given(path=st.sampled_from(PLACES), value=st.sampled_from(VALUES))
def test_a_definition_is_refused_or_served(in_process: Any, path: Path, value: Any) -> None:
    server = in_process({})
    where = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    code, answer = server("POST", where, changed(path, value))
    stored = bool(server.api.store.list(crds.RESOURCE).entries)
    assert code < 500, answer
    assert stored is (code == 201), answer
    if not stored:
        return
    verbs.Api(server.api.store, server.api.clock)  # as after a restart
    for one in OBJECTS:
        body = {"metadata": {"generateName": "a"}, "spec": one}
        code, answer = server("POST", BOXES, body)
        assert code < 500, answer
    for place in (where, *READ):
        assert server("GET", place)[0] < 500, place
    as_table = "application/json;as=Table;g=meta.k8s.io;v=v1"
    assert server("GET", BOXES, accept=as_table)[0] < 500
