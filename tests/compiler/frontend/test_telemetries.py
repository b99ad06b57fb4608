"""Laws of Telemetry: which level counts, and what no object can change."""

from typing import Any

from envoy.config.listener.v3 import listener_pb2
from hypothesis import given, strategies as st

from lateen.compiler.backend.render import Renderer
from lateen.compiler.frontend import versions
from lateen.compiler.frontend.graph import mesh_config, telemetries
from lateen.compiler.frontend.graph.mesh_config import MeshReports
from lateen.compiler.ir.proxy import MeshSettings
from lateen.compiler.output import ResourceType
from lateen.model.istio import telemetry
from lateen.model.istio.types import WorkloadSelector
from lateen.model.kube.core import objects
from lateen.model.schema.objectmeta import ObjectMeta

SETTINGS = MeshSettings(features=versions.features())
CONFIG = """
extensionProviders:
- {name: a, envoyFileAccessLog: {path: /dev/stdout}}
- {name: b, envoyFileAccessLog: {path: /dev/stderr}}
- {name: other, envoyOtelAls: {service: x, port: 1}}
"""
MESH = mesh_config.translate(
    objects.ConfigMap(metadata=ObjectMeta(name="istio"), data={"mesh": CONFIG}), SETTINGS
)


def entry(
    names: tuple[str, ...] = (), mode: str | None = None, off: bool = False, cel: str = ""
) -> telemetry.AccessLogging:
    return telemetry.AccessLogging(
        providers=tuple(telemetry.ProviderRef(name=n) for n in names),
        match=telemetry.SideSelector(mode=mode) if mode else None,
        disabled=True if off else None,
        filter=telemetry.LogFilter(expression=cel) if cel else None,
    )


def level(*entries: telemetry.AccessLogging, name: str = "t", **more: Any) -> telemetry.Telemetry:
    spec = telemetry.TelemetrySpec(access_logging=entries, **more)
    return telemetry.Telemetry(metadata=ObjectMeta(name=name, namespace="ns"), spec=spec)


def paths(*levels: telemetry.Telemetry, side: str = "client", mesh: MeshReports = MESH) -> set[str]:
    found = telemetries.translate(levels, mesh, zipkin=False)
    return {log.path for log in getattr(found, side).logs}


NAMES = st.lists(st.sampled_from(["a", "b", "other", "gone"]), max_size=2, unique=True).map(tuple)
ENTRY = st.builds(
    entry,
    NAMES,
    st.sampled_from([None, "CLIENT", "SERVER", "CLIENT_AND_SERVER"]),
    st.booleans(),
    st.sampled_from(["", "response.code >= 400"]),
)
LEVEL = st.lists(ENTRY, max_size=3).map(lambda entries: level(*entries))
LEVELS = st.lists(LEVEL, max_size=3)


@given(LEVELS)
def test_the_last_level_that_names_providers_replaces_the_others(
    above: list[telemetry.Telemetry],
) -> None:
    assert paths(*above, level(entry(("b",)))) == {"/dev/stderr"}
    assert paths(*above, level(entry(("a",)), entry(("b",)))) == {"/dev/stdout", "/dev/stderr"}


@given(LEVELS)
def test_a_level_without_entries_changes_nothing(above: list[telemetry.Telemetry]) -> None:
    assert telemetries.translate([*above, level()], MESH, zipkin=False) == telemetries.translate(
        above, MESH, zipkin=False
    )


@given(LEVELS)
def test_what_is_switched_off_last_is_off(above: list[telemetry.Telemetry]) -> None:
    assert paths(*above, level(entry(("a", "b"), off=True))) == set()


@given(LEVELS)
def test_a_side_keeps_its_own_providers(above: list[telemetry.Telemetry]) -> None:
    """An entry for servers that names providers says nothing about clients."""
    mine = paths(*above)
    assert paths(*above, level(entry(("a",), mode="SERVER"))) == mine


@given(LEVELS)
def test_the_filter_is_the_one_beside_the_providers_last_name(
    above: list[telemetry.Telemetry],
) -> None:
    last = level(entry(("a",), cel="response.code == 503"))
    (log,) = telemetries.translate([*above, last], MESH, zipkin=False).client.logs
    assert log.filter == "response.code == 503"


def test_a_filter_without_providers_is_no_filter() -> None:
    levels = level(entry(("a",))), level(entry(cel="response.code >= 400"))
    (log,) = telemetries.translate(levels, MESH, zipkin=False).client.logs
    assert log.filter == ""


def test_without_a_usable_provider_the_meshs_own_log_stays() -> None:
    assert paths(level(entry(("gone",)))) == {"/dev/stdout"}
    assert paths(level(entry(off=True))) == {"/dev/stdout"}
    silent = mesh_config.translate(None, MeshSettings(features=versions.features()))
    assert paths(level(entry(("Envoy",), off=True)), mesh=silent) == set()


def test_the_oldest_that_selects_a_workload_counts() -> None:
    selecting = [
        level(name=name, selector=WorkloadSelector(match_labels=labels))
        for name, labels in (
            ("all", {}),
            ("both", {"app": "x", "tier": "y"}),
            ("one", {"app": "x"}),
            ("two", {"app": "x"}),
        )
    ]
    found = telemetries.chosen(tuple(selecting), {"app": "x"})
    assert found is selecting[2]
    assert telemetries.wide(tuple(selecting)) is selecting[0]
    assert telemetries.chosen(tuple(selecting), {"app": "z"}) is None


def test_nobody_can_switch_the_stream_to_evidence_off(build: Any) -> None:
    """Every listener, connection manager and TCP proxy keeps its structured log."""
    built = build(
        """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80}, {name: tcp-x, port: 9000}, {port: 7000}]
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, labels: {app: web}}
spec: {containers: [{name: web}, {name: istio-proxy}]}
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: quiet, namespace: istio-system}
spec: {accessLogging: [{providers: [{name: envoy}], disabled: true}]}
"""
    )
    listeners = Renderer().render(built.view("web")).of(ResourceType.LISTENER)
    assert len(listeners) == 5
    for resource in listeners.values():
        listener = listener_pb2.Listener.FromString(resource.body)
        assert [log.name for log in listener.access_log] == ["envoy.access_loggers.tcp_grpc"]
        assert "Telemetry/istio-system/quiet#spec.accessLogging[0]" in map(str, resource.sources)
        chains = [*listener.filter_chains, listener.default_filter_chain]
        last = [chain.filters[-1] for chain in chains if chain.filters]
        assert last
        for terminal in last:
            value = terminal.typed_config.value
            assert b"envoy.access_loggers.file" not in value
            assert value.count(b"_grpc") >= 1
