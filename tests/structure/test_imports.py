"""What starts while a person waits does not load what it does not need."""

import subprocess
import sys

import pytest

HEAVY = (
    "grpc",
    "google.protobuf",
    "envoy",
    "cryptography",
    "uvicorn",
    "httpx",
    "pydantic",
)


MESH = (
    "grpc",
    "google.protobuf",
    "envoy",
    "yaml",
    "websockets",
    "dnslib",
    "zoneinfo",
    "lateen.compiler",
    "lateen.xds",
    "lateen.observe",
    "lateen.model.istio.networking",
)
"""What the plane loads after it has begun to answer (`app.meshplane`), or when it is asked for."""


def loaded(module: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter has after importing one."""
    program = f"import sys, {module}\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("lateen.cli.main", (*HEAVY, "yaml", "msgspec", "asyncio", "lateen.model", "lateen.app")),
        ("lateen.cli.lab.up", (*HEAVY, "yaml", "asyncio", "lateen.model.schema.kinds")),
        ("lateen.cli.objects.changing", (*HEAVY, "asyncio", "lateen.node", "lateen.compiler")),
        ("lateen.cli.objects.getting", (*HEAVY, "asyncio", "lateen.node", "lateen.compiler")),
        ("lateen.cli.objects.workloads", (*HEAVY, "lateen.node", "lateen.compiler")),
        ("lateen.cli.lab.status", (*HEAVY, "importlib.metadata", "lateen.node", "lateen.compiler")),
        ("lateen.app.agent", (*HEAVY, "yaml", "lateen.store", "lateen.xds", "lateen.pki")),
        ("lateen.app.plane", MESH),
        (
            "lateen.app.lab.starting",
            (*HEAVY, "json", "click", "msgspec", "lateen.cli", "lateen.model"),
        ),
        ("lateen.app.supervisor", (*HEAVY, "asyncio", "msgspec", "dataclasses", "lateen.model")),
        ("lateen.node.shim.init", (*HEAVY, "asyncio", "msgspec", "dataclasses", "lateen.model")),
        ("lateen.node.shim.enter", (*HEAVY, "asyncio", "msgspec", "dataclasses", "lateen.model")),
    ],
)
def test_a_start_loads_nothing_that_it_does_not_need(module: str, never: tuple[str, ...]) -> None:
    found = loaded(module)
    assert module in found
    assert found.isdisjoint(never), sorted(found.intersection(never))


AUTHORIZATION = (
    "lateen.compiler.frontend.security.authz",
    "lateen.compiler.backend.rbac",
    "envoy.config.rbac",
    "envoy.extensions.filters.http.rbac",
    "envoy.extensions.filters.network.rbac",
)


@pytest.mark.parametrize("policies", [False, True])
def test_a_mesh_without_authorization_loads_none_of_it(policies: bool) -> None:
    policy = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"rules": [{}]},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"containers": [{"name": "istio-proxy"}]},
    }
    program = (
        "import sys, lateen.app.plane\n"
        "from lateen.compiler.backend.render import Renderer\n"
        "from lateen.compiler.frontend import assemble, versions\n"
        "from lateen.compiler.ir.proxy import MeshSettings\n"
        "from lateen.model import snapshot\n"
        f"found = snapshot.of_bodies({[pod, *[policy] * policies]!r})\n"
        "mesh = assemble.Frontend(MeshSettings(features=versions.features())).build(found)\n"
        "for ref in mesh.proxies():\n"
        "    Renderer().render(mesh.view(ref))\n"
        "mesh.diagnostics\n"
        "print(*sys.modules, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    found = set(done.stdout.split())
    assert found.intersection(AUTHORIZATION) == (set(AUTHORIZATION) if policies else set())


def test_values_are_defined_as_structs() -> None:
    """A dataclass costs 0.45 ms to define and a Struct 0.01: the plane defines two hundred."""
    program = (
        "import sys, dataclasses, lateen.app.plane\n"
        "found = {c for m in list(sys.modules.values()) if m.__name__.startswith('lateen.')\n"
        "         for c in vars(m).values()\n"
        "         if isinstance(c, type) and dataclasses.is_dataclass(c)\n"
        "         and c.__module__.startswith('lateen.')}\n"
        "print(*sorted(c.__qualname__ for c in found), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert len(done.stdout.split()) <= 20, done.stdout
