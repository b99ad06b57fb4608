"""An agent as the shim starts it in these tests: `python agent_process.py LAB STATE RUN`."""

import asyncio
import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path

from lateen.base.clock import SystemClock
from lateen.compiler.frontend import versions
from lateen.compiler.ir.proxy import MeshSettings
from lateen.kube import http as http_client
from lateen.node import agent, reporting
from lateen.node.container.files import Places
from lateen.node.container.launch import LabFacts
from lateen.node.net import addressing, network
from lateen.node.shim.client import ShimClient

PROGRAMS = ("nginx", "openssl", "curl")
"""What containers of these tests may run; the agent is started without the rooms of the tests."""


class SetClock(SystemClock):
    """A machine whose wall clock is ahead by the seconds that a file says, if it is there."""

    def __init__(self, ahead: Path) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        ahead = self._ahead.read_text() if self._ahead.exists() else "0"
        return super().now() + timedelta(seconds=float(ahead))


async def main(state: Path, run: Path) -> None:
    plan = addressing.Plan()
    token = (run / "token").read_text()
    client = http_client.HttpClient(
        http_client.ApiEndpoint(token=token, socket=str(run / "api.sock"))
    )
    lab = LabFacts(
        node_name="lateen",
        python=(sys.executable,),
        mesh=MeshSettings(features=versions.features("1.28")),
        dns_ip=plan.dns_ip,
        masks=(str(state.parent),),
        installed={name: path for name in PROGRAMS if (path := shutil.which(name))},
        images={"test/shell": ["/bin/sh"]},
        capacity={"cpu": 2.0, "memory": 2.0**30},
        real_root=False,
    )
    node = reporting.NodeFacts(
        name="lateen",
        ip=plan.node_ip,
        cpus=2,
        memory=2**30,
        kernel="6",
        os_image="test",
        architecture="amd64",
        version="v1.34.0",
    )
    shim = await ShimClient.connect(run / "shim.sock", subscribe=True)
    lab_network = network.LabNetwork(plan)
    options = agent.AgentOptions(lab=lab, places=Places(run=run, state=state), node=node)
    await agent.Agent(client, shim, SetClock(state / "ahead"), lab_network, options).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[2]), Path(sys.argv[3])))
