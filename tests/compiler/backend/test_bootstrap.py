"""The bootstrap: plain JSON that Envoy's own schema accepts, made without protobuf."""

import json
import subprocess
import sys

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from envoy.extensions.resource_monitors.downstream_connections.v3 import (
    downstream_connections_pb2,
)
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf import json_format

from lateen.compiler.backend import bootstrap

USED = (  # parsing JSON with Any needs the types it holds to be known
    http_connection_manager_pb2,
    http_protocol_options_pb2,
    downstream_connections_pb2,
    router_pb2,
)


def made(mesh):
    return bootstrap.bootstrap(mesh.node(), mesh.SETTINGS, "/run/lateen/lab/pods/1/xds.sock")


def test_envoys_schema_accepts_it(mesh):
    assert USED
    message = json_format.Parse(json.dumps(made(mesh)), bootstrap_pb2.Bootstrap())
    assert message.node.id == mesh.node().id
    assert message.admin.address.socket_address.port_value == 15000
    (option,) = message.cluster_manager.upstream_bind_config.socket_options
    assert (option.level, option.name, option.int_value) == (1, 36, 1337)
    names = [c.name for c in message.static_resources.clusters]
    assert names == ["xds-grpc", "prometheus_stats", "agent", "zipkin"]
    ports = [each.address.socket_address.port_value for each in message.static_resources.listeners]
    assert ports == [15090, 15021]
    assert message.deferred_stat_options.enable_deferred_creation_stats


def test_discovery_is_incremental_over_the_pods_socket(mesh):
    made_ = made(mesh)
    assert made_["dynamic_resources"]["ads_config"]["api_type"] == "DELTA_GRPC"
    endpoints = made_["static_resources"]["clusters"][0]["load_assignment"]["endpoints"]
    assert made_["dynamic_resources"]["ads_config"]["set_node_on_first_message_only"] is True
    address = endpoints[0]["lb_endpoints"][0]["endpoint"]["address"]
    assert address == {"pipe": {"path": "/run/lateen/lab/pods/1/xds.sock"}}


def test_the_node_agent_can_make_it_without_protobuf():
    code = (
        "import sys; from lateen.compiler.backend import bootstrap; "
        "sys.exit(any(m.split('.')[0] in ('google', 'envoy', 'grpc') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
