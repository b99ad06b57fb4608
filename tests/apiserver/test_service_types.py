"""A Service of one type becomes one of another: what only the old type could have goes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from lateen.apiserver.writing import verbs
from lateen.base.clock import ManualClock
from lateen.store.memory import MemoryStore
from tests import first_namespaces

TYPES: dict[str, dict[str, Any]] = {
    "ClusterIP": {},
    "NodePort": {"externalTrafficPolicy": "Local"},
    "LoadBalancer": {
        "externalTrafficPolicy": "Local",
        "loadBalancerClass": "example.com/a",
        "allocateLoadBalancerNodePorts": True,
    },
    "ExternalName": {"externalName": "a.example.com"},
}
OUTSIDE = {"NodePort", "LoadBalancer"}


@pytest.mark.parametrize("before", TYPES)
@pytest.mark.parametrize("after", TYPES)
def test_every_type_can_become_every_other(before: str, after: str) -> None:
    api = verbs.Api(MemoryStore(), ManualClock(datetime(2026, 11, 24, tzinfo=UTC)))
    first_namespaces.ensure(api)
    services = api.target("services", "default")
    options = verbs.WriteOptions()
    spec = {"type": before, "ports": [{"name": "http", "port": 80}], **TYPES[before]}
    api.create(services, {"metadata": {"name": "web"}, "spec": spec}, options)
    web = replace(services, name="web")
    sent = dict(api.get(web))
    sent["spec"] = {**sent["spec"], "type": after, **TYPES[after]}
    made = api.update(web, sent, options).object["spec"]
    assert made["type"] == after
    assert ("externalTrafficPolicy" in made) == (after in OUTSIDE)
    assert ("loadBalancerClass" in made) == (after == "LoadBalancer")
    assert ("nodePort" in made["ports"][0]) == (after in OUTSIDE)
    assert ("clusterIP" in made) == (after != "ExternalName")
