"""The node agent's process, inside the lab's namespaces.

    python -m lateen.app.agent LAB STATE RUN

Started, and started again, by the shim. It is to the API server what a kubelet is, and it keeps
the lab's addresses, Service rules and DNS. Containers outlive it.
"""

import asyncio
import base64
import contextlib
import logging
import os
import platform
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from lateen import __version__
from lateen.app.lab import meshsettings, settings
from lateen.app.lab.paths import LabPaths
from lateen.app.lab.settings import LabSettings
from lateen.base import interpreter, parentdeath
from lateen.base.clock import Clock, SystemClock
from lateen.base.jsonvalue import Json
from lateen.base.tasks import TaskGroup
from lateen.kube.http import ApiEndpoint, HttpClient
from lateen.model.client import ApiError
from lateen.model.labapi import contract
from lateen.model.labapi.images import ImageAnswer, ImageWish
from lateen.model.labapi.node import ResolveAnswer, ResolveRequest
from lateen.node import permission
from lateen.node.agent import Agent, AgentOptions
from lateen.node.container import sidecar
from lateen.node.container.files import Places
from lateen.node.container.launch import LabFacts
from lateen.node.dns import server, zone as dnszone
from lateen.node.images import folders, tools
from lateen.node.net import addressing, hostlink
from lateen.node.net.network import LabNetwork
from lateen.node.reporting import NodeFacts
from lateen.node.servicefeed import ServiceFeed, Tell
from lateen.node.shim.client import ShimClient, ShimError
from lateen.node.shim.walls import base

log = logging.getLogger(__name__)

NODE = "lateen"
KUBERNETES = "v1.36.0"
"""The Kubernetes version whose API is served."""
_PROGRAMS = ("nginx", "openssl", "curl", "nc", "tcpdump", "tar")
_SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where nginx and tcpdump usually are, and which an ordinary user's PATH does not name."""


class ApiTokens:
    """Asks the API server for ServiceAccount tokens, as a kubelet does."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def token(
        self, namespace: str, account: str, audience: str, seconds: int, pod: Json
    ) -> str:
        """Return a token bound to a pod. Raises ApiError, OSError."""
        reference = {
            "kind": "Pod",
            "apiVersion": "v1",
            "name": pod["metadata"]["name"],
            "uid": pod["metadata"]["uid"],
        }
        answer = await self._client.post(
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    "audiences": [audience] if audience else [],
                    "expirationSeconds": seconds,
                    "boundObjectRef": reference,
                },
            },
        )
        return str(answer["status"]["token"])


class PlaneImages:
    """Asks the plane for images: the lab has no way to a registry."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def ask(self, wish: ImageWish) -> ImageAnswer:
        """Find or pull an image. Raises OSError."""
        try:
            answer = await self._client.post(contract.IMAGE.path, msgspec.to_builtins(wish))
        except ApiError as error:
            raise OSError(error.message) from error
        return msgspec.convert(answer, ImageAnswer)


def plan(network: str) -> addressing.Plan:
    """Return the addresses of a lab whose own private network is given."""
    pool = hostlink.Pool(network)
    return addressing.Plan(balancer_cidr=pool.balancers, extra_node_addresses=(pool.lab_ip,))


def node_facts(ip: str) -> NodeFacts:
    """Return what the Node object says of this machine."""
    page = os.sysconf("SC_PAGE_SIZE")
    return NodeFacts(
        name=NODE,
        ip=ip,
        cpus=os.cpu_count() or 1,
        memory=page * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        os_image=_os_image(),
        architecture={"x86_64": "amd64", "aarch64": "arm64"}.get(
            platform.machine(), platform.machine()
        ),
        version=f"{KUBERNETES}+lateen.{__version__}",
    )


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def installed_programs() -> dict[str, str]:
    """Return the paths of the programs that stand-ins use where the machine has them.

    A relative part of PATH would be the folder in which the lab was started.
    """
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join([*filter(os.path.isabs, places), *_SYSTEM_DIRECTORIES])
    found = {name: shutil.which(name, path=path) for name in _PROGRAMS}
    return {name: place for name, place in found.items() if place and _is_shown(place)}


def _is_shown(program: str) -> bool:
    """Whether containers have a program of the host where it is."""
    return os.path.realpath(program).split("/")[1] in base.TOPS


def lab_facts(
    paths: LabPaths,
    chosen: LabSettings,
    dns_ip: str,
    proxy_dns_ip: str,
    capacity: Mapping[str, float],
) -> LabFacts:
    """Return what is the same for every container, and make the directories it names."""
    installed = installed_programs()
    bin_directory, cache = paths.run / "tools", paths.run / "cache"
    for directory in (bin_directory, cache):
        directory.mkdir(mode=0o755, exist_ok=True)
    for name, script in tools.scripts(interpreter.command(), installed).items():
        _write_program(bin_directory / name, script)
    return LabFacts(
        node_name=NODE,
        python=interpreter.command(),
        mesh=meshsettings.mesh_settings(chosen),
        dns_ip=dns_ip,
        proxy_dns_ip=proxy_dns_ip,
        masks=(str(paths.run.parent), str(paths.state.parent)),
        tools=str(bin_directory),
        cache=str(cache),
        trust=str(paths.trust) if chosen.external else "",
        trusted_at=tuple(dict.fromkeys((meshsettings.system_roots(), meshsettings.USUAL_BUNDLE))),
        installed=installed,
        images=chosen.images,
        folders={
            name: folders.folders(command, os.path.isfile, os.path.isdir)
            for name, command in chosen.images.items()
        },
        pulls=chosen.pulls,
        host_paths=tuple(chosen.host_paths),
        real_root=permission.has_users(),
        capacity=capacity,
    )


def _write_program(path: Path, text: str) -> None:
    scratch = path.with_suffix(".new")
    scratch.write_text(text, encoding="utf-8")
    scratch.chmod(0o755)
    scratch.replace(path)


async def run(paths: LabPaths, clock: Clock) -> None:
    """Run the node until the shim or the process is told to end."""
    chosen = settings.load(paths.settings)
    addresses = plan(chosen.pool)
    network = LabNetwork(addresses)
    zone = dnszone.Zone()
    for host in chosen.external:
        if host.address:
            zone.add_external(host.host, host.address)
    tasks = TaskGroup("node")
    shim = await ShimClient.connect(paths.shim_socket, subscribe=True)
    if chosen.copy_proxies:
        with contextlib.suppress(sidecar.EnvoyMissingError, ShimError):
            rehearsal = sidecar.rehearsal(meshsettings.mesh_settings(chosen))
            await shim.prepare(sidecar.command_line((), router=False), rehearsal)
    client = await _connected(paths, clock)
    if chosen.egress:
        network.lead_out()
    outside = chosen.dns_forward or chosen.egress
    resolver = server.DnsServer(zone, forwarder(client) if outside else None)
    await resolver.start(addresses.dns_ip)
    # For proxies that answer their pods' DNS: to them the hosts of ServiceEntries are elsewhere.
    upstream = server.DnsServer(zone, forwarder(client) if outside else None, alike=True)
    await upstream.start(addresses.node_ip)
    feed = ServiceFeed(network, zone, teller(client))
    tasks.start(feed.run(client, clock), "services")
    facts = node_facts(addresses.node_ip)
    capacity = {"cpu": float(facts.cpus), "memory": float(facts.memory)}
    agent = Agent(
        client,
        shim,
        clock,
        network,
        AgentOptions(
            lab=lab_facts(paths, chosen, addresses.dns_ip, addresses.node_ip, capacity),
            places=Places(paths.run, paths.state),
            node=facts,
        ),
        ApiTokens(client),
        PlaneImages(client),
    )
    try:
        await agent.run()
    finally:
        await tasks.stop()
        await resolver.stop()
        await upstream.stop()


def forwarder(client: HttpClient) -> server.Forwarder:
    """Return a function that has the plane ask the resolver: the lab has no way out."""

    async def ask(query: bytes) -> bytes:
        try:
            wish = ResolveRequest(base64.b64encode(query).decode())
            answer = await client.post(contract.RESOLVE.path, msgspec.to_builtins(wish))
        except ApiError as error:
            raise OSError(error.message) from error
        return base64.b64decode(msgspec.convert(answer, ResolveAnswer).answer)

    return ask


def teller(client: HttpClient) -> Tell:
    """Return a function that tells the plane how far the rules of Services have come."""

    async def tell(reached: Mapping[str, int]) -> None:
        await client.post(contract.RULES.path, dict(reached))

    return tell


async def _connected(paths: LabPaths, clock: Clock) -> HttpClient:
    """Wait for the API server, which starts beside us, and return a client of it."""
    while not (paths.agent_token.exists() and paths.api_socket.exists()):
        await clock.sleep(0.005)
    token = paths.agent_token.read_text(encoding="ascii").strip()
    return HttpClient(ApiEndpoint(token=token, socket=str(paths.api_socket)), manager="kubelet")


def main(argv: list[str]) -> int:
    """Run the agent of one lab; a fault ends it with a message in its log."""
    parentdeath.ask(signal.SIGKILL)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    lab, state, directory = argv[1:4]
    try:
        asyncio.run(run(LabPaths(lab, Path(state), Path(directory)), SystemClock()))
    except KeyboardInterrupt:
        return 0
    except Exception:
        log.exception("the agent ended")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
