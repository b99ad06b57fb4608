"""The agent for real: a real API server outside, the shim and an agent inside a lab."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lateen.apiserver.access import auth
from lateen.apiserver.serving import http, local, serve
from lateen.apiserver.writing import verbs
from lateen.base.clock import SystemClock
from lateen.node.shim.protocol import ContainerSpec
from lateen.store.memory import MemoryStore
from tests import first_namespaces

pytestmark = pytest.mark.netns
Json = dict[str, Any]
DEADLINE = 10.0
AGENT = Path(__file__).with_name("agent_process.py")


class NoStreams:
    """Nobody execs through the API here."""


class Node:
    """A lab with an agent, and the API it works for."""

    def __init__(self, lab: Any, client: local.LocalClient) -> None:
        self.lab = lab
        self.client = client

    async def until(self, look: Callable[[], Awaitable[Any]], what: str) -> Any:
        """Ask again and again until there is an answer."""
        deadline = time.monotonic() + DEADLINE
        while not (found := await look()):
            log = self.lab.state / "logs" / "agent.log"
            assert time.monotonic() < deadline, f"not seen: {what}\n{log.read_text()}"
            await asyncio.sleep(0.003)
        return found

    async def create(self, name: str, *containers: Json, **spec: Any) -> None:
        """Create a pod bound to the node."""
        body = {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "nodeName": "lateen",
                "automountServiceAccountToken": False,
                "containers": list(containers),
                **spec,
            },
        }
        await self.client.create("pods", "default", {"apiVersion": "v1", "kind": "Pod", **body})

    async def status_of(self, name: str) -> Json:
        """Return a pod's status."""
        status: Json = (await self.client.get("pods", "default", name)).get("status", {})
        return status

    async def when(self, name: str, holds: Callable[[Json], Any], what: str) -> Json:
        """Wait for a pod's status to be so; return it."""

        async def look() -> Json | None:
            status = await self.status_of(name)
            return status if holds(status) else None

        found: Json = await self.until(look, f"pod {name} {what}")
        return found

    async def ready(self, name: str) -> Json:
        """Wait until a pod is ready."""
        return await self.when(name, is_ready, "ready")

    async def deleted(self, name: str) -> None:
        """Wait until a pod is gone."""

        async def look() -> bool:
            pods, _ = await self.client.list("pods", "default")
            return name not in {p["metadata"]["name"] for p in pods}

        await self.until(look, f"pod {name} deleted")

    def log(self, name: str, container: str, attempt: int = 0) -> str:
        """Return the text of one run's log."""
        for path in (self.lab.state / "logs").glob(f"default_{name}_*/{container}/{attempt}.log"):
            rows = path.read_text().splitlines()
            return "\n".join(row.split(" ", 3)[3] for row in rows)
        return ""

    async def run_in(self, name: str, container: str, *argv: str) -> str:
        """Run a command in a container; return its output."""
        uid = (await self.client.get("pods", "default", name))["metadata"]["uid"]
        shim = await self.lab.connect()
        target = next(
            p.handle
            for p in (await shim.state()).processes
            if p.state == "running" and p.handle.startswith(f"{uid}/{container}/")
        )
        reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        handle = f"{target}#test-{time.monotonic_ns()}"
        await shim.exec(handle, target, ContainerSpec(argv=argv), (null, writer, writer))
        os.close(writer)
        os.close(null)
        await shim.wait(handle)
        with os.fdopen(reader) as output:
            return output.read()


def is_ready(status: Json) -> bool:
    """Whether the Ready condition holds."""
    found = {c["type"]: c["status"] for c in status.get("conditions", [])}
    return found.get("Ready") == "True"


def shell(script: str, name: str = "app", **fields: Any) -> Json:
    """Return a container that runs a shell script."""
    return {"name": name, "image": "test/shell", "args": ["-c", script], **fields}


def state_of(status: Json, container: str = "app") -> Json:
    """Return a container's status."""
    found = [
        c
        for field in ("containerStatuses", "initContainerStatuses")
        for c in status.get(field, [])
        if c["name"] == container
    ]
    return found[0] if found else {"state": {}, "lastState": {}, "restartCount": 0}


FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.02; done"


@contextlib.asynccontextmanager
async def node(lab: Any) -> AsyncIterator[Node]:
    """Start API, shim and agent."""
    if lab.python != sys.executable:
        pytest.skip("this user cannot run the test's Python")
    api = verbs.Api(MemoryStore(), SystemClock())
    first_namespaces.ensure(api)
    (lab.run / "token").write_text("t")
    app = http.build_app(api, NoStreams(), auth.FixedTokens({"t": auth.ADMIN}))
    server = serve.ApiServer(app)
    await server.listen(serve.unix(lab.run / "api.sock"))
    lab.agent = [lab.python, str(AGENT), "t", str(lab.state), str(lab.run)]
    lab.start()
    made = Node(lab, local.LocalClient(api))

    async def registered() -> bool:
        nodes, _ = await made.client.list("nodes")
        return any(n.get("status", {}).get("conditions") for n in nodes)

    try:
        await made.until(registered, "the node registered")
        yield made
    finally:
        await lab.close()
        lab.process.terminate()
        await asyncio.to_thread(lab.process.wait, 10)
        await server.close()


def on_node(lab: Any, scenario: Callable[[Node], Awaitable[None]]) -> None:
    """Run a scenario."""

    async def main() -> None:
        async with node(lab) as made:
            await scenario(made)

    asyncio.run(main())


def test_a_pod_from_creation_to_deletion(shim_lab: Any) -> None:
    async def scenario(node: Node) -> None:
        server = {
            "name": "app",
            "image": "traefik/whoami",
            "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
        }
        begun = time.monotonic()
        await node.create("web", server, shell(FOREVER, "side"))
        status = await node.ready("web")
        assert time.monotonic() - begun < 5
        assert status["phase"] == "Running"
        assert state_of(status)["started"] is True
        python = "import urllib.request as u; print(u.urlopen('http://127.0.0.1').status)"
        said = await node.run_in("web", "side", sys.executable, "-c", python)
        assert said.strip() == "200", "containers of a pod share their network"
        reasons: set[str] = set()

        async def told() -> bool:
            events, _ = await node.client.list("events", "default")
            reasons.update(e["reason"] for e in events)
            return {"Pulled", "Created", "Started"} <= reasons

        await node.until(told, "the events of it")
        assert "Unhealthy" not in reasons
        await node.client.delete("pods", "default", "web")
        await node.deleted("web")
        shim = await node.lab.connect()
        assert (await shim.state()).pods == ()
        assert not list((node.lab.run / "volumes").iterdir())
        assert [p.name for p in (node.lab.state / "logs").iterdir()] == ["agent.log"]

    on_node(shim_lab, scenario)


def test_crashes_and_what_cannot_start(shim_lab: Any) -> None:
    async def scenario(node: Node) -> None:
        await node.create("crash", shell("echo run; echo why > /dev/termination-log; exit 4"))
        await node.create("image", {"name": "app", "image": "nobody/knows"})
        await node.create("missing", {**shell("x"), "command": ["no-such-program"]})
        await node.create("once", shell("exit 5"), restartPolicy="Never")

        def backing_off(status: Json) -> bool:
            return state_of(status)["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"

        crash = state_of(await node.when("crash", backing_off, "in back-off"))
        assert crash["restartCount"] == 1
        last = crash["lastState"]["terminated"]
        assert (last["exitCode"], last["reason"], last["message"]) == (4, "Error", "why\n")
        assert node.log("crash", "app", 0) == node.log("crash", "app", 1) == "run"
        missing = state_of(await node.when("missing", backing_off, "in back-off"))
        error = missing["lastState"]["terminated"]
        assert (error["exitCode"], error["reason"]) == (128, "StartError")
        assert 'exec: "no-such-program": executable file not found in $PATH' in error["message"]
        waiting = await node.when(
            "image", lambda s: state_of(s)["state"].get("waiting", {}).get("message"), "waiting"
        )
        assert state_of(waiting)["state"]["waiting"]["reason"] == "ErrImagePull"
        assert "lateen.yaml" in state_of(waiting)["state"]["waiting"]["message"]
        once = await node.when("once", lambda s: s.get("phase") == "Failed", "failed")
        assert state_of(once)["state"]["terminated"]["exitCode"] == 5

    on_node(shim_lab, scenario)


def test_material_that_comes_late_and_changes(shim_lab: Any) -> None:
    async def scenario(node: Node) -> None:
        env = {"name": "IT", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "it"}}}
        mount = {"name": "conf", "mountPath": "/etc/made/conf"}
        container = shell(f"echo $IT; {FOREVER}", env=[env], volumeMounts=[mount])
        volume = {"name": "conf", "configMap": {"name": "conf", "optional": True}}
        await node.create("pod", container, volumes=[volume])
        waiting = await node.when(
            "pod", lambda s: state_of(s)["state"].get("waiting", {}).get("message"), "waiting"
        )
        reason = state_of(waiting)["state"]["waiting"]
        assert reason == {
            "reason": "CreateContainerConfigError",
            "message": 'configmap "conf" not found',
        }
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}}
        await node.client.create("configmaps", "default", {**body, "data": {"it": "first"}})
        await node.ready("pod")
        assert await node.run_in("pod", "app", "cat", "/etc/made/conf/it") == "first"
        await node.client.patch("configmaps", "default", "conf", {"data": {"it": "second"}})

        async def seen() -> bool:
            return await node.run_in("pod", "app", "cat", "/etc/made/conf/it") == "second"

        await node.until(seen, "the new content in the volume")
        assert node.log("pod", "app") == "first"

    on_node(shim_lab, scenario)


def test_init_containers_volumes_and_hooks(shim_lab: Any) -> None:
    async def scenario(node: Node) -> None:
        shared = [{"name": "data", "mountPath": "/data"}]
        hook = {"exec": {"command": ["sh", "-c", "echo hooked > /data/hook"]}}
        # More than a pipe holds: a command must not wait for somebody to read what it writes.
        much = "cat /data/hook && head -c 300000 /dev/zero"
        probe = {"exec": {"command": ["sh", "-c", much]}, "periodSeconds": 1}
        await node.create(
            "pod",
            shell(
                f"cat /data/*; {FOREVER}",
                volumeMounts=shared,
                lifecycle={"postStart": hook},
                readinessProbe=probe,
            ),
            initContainers=[
                shell("echo one > /data/1", "one", volumeMounts=shared),
                shell("cat /data/1; echo two > /data/2", "two", volumeMounts=shared),
            ],
            volumes=[{"name": "data", "emptyDir": {}}],
        )
        status = await node.ready("pod")
        assert node.log("pod", "two") == "one"
        assert node.log("pod", "app").startswith("one\ntwo")
        ended = state_of(status, "two")["state"]["terminated"]
        assert (ended["exitCode"], ended["reason"]) == (0, "Completed")

    on_node(shim_lab, scenario)


def test_a_failing_liveness_probe_restarts(shim_lab: Any) -> None:
    async def scenario(node: Node) -> None:
        probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
        await node.create("pod", shell(FOREVER, livenessProbe=probe))
        status = await node.when("pod", lambda s: state_of(s)["restartCount"] >= 1, "restarted")
        assert status["phase"] == "Running"

        async def told() -> bool:
            events, _ = await node.client.list("events", "default")
            return {"Unhealthy", "Killing"} <= {e["reason"] for e in events}

        await node.until(told, "the events of it")

    on_node(shim_lab, scenario)


def agent_pids(lab: Any) -> list[int]:
    """Return the host's process ids of this lab's agent."""
    words = [str(AGENT).encode(), str(lab.run).encode()]
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_bytes().split(b"\0")
            if entry.name.isdigit() and line[1:2] == words[:1] and words[1] in line:
                found.append(int(entry.name))
    return found


def test_kill_9_of_the_agent_disturbs_nothing(shim_lab: Any) -> None:
    async def scenario(node: Node) -> None:
        for name in ("stays", "goes"):
            await node.create(name, shell(FOREVER))
        before = state_of(await node.ready("stays"))
        await node.ready("goes")
        (pid,) = agent_pids(node.lab)
        os.kill(pid, signal.SIGKILL)
        await node.client.delete("pods", "default", "goes", grace_seconds=0)
        await node.create("new", shell(FOREVER))
        await node.ready("new")
        after = state_of(await node.ready("stays"))
        assert after["containerID"] == before["containerID"]
        assert after["state"] == before["state"]
        addresses = {(await node.status_of(name))["podIP"] for name in ("stays", "new")}
        assert len(addresses) == 2
        await node.deleted("goes")
        shim = await node.lab.connect()

        async def swept() -> bool:
            return len((await shim.state()).pods) == 2

        await node.until(swept, "the deleted pod swept away")

    on_node(shim_lab, scenario)


def test_a_grace_period_is_kept_then_ends(shim_lab: Any) -> None:
    async def scenario(node: Node) -> None:
        stubborn = "trap '' TERM; trap 'true' TERM; echo up; while :; do sleep 0.02; done"
        await node.create("pod", shell(stubborn), terminationGracePeriodSeconds=1)
        await node.ready("pod")
        await node.when("pod", lambda _: node.log("pod", "app") == "up", "up")
        begun = time.monotonic()
        await node.client.delete("pods", "default", "pod")
        await node.deleted("pod")
        assert 0.9 < time.monotonic() - begun < 4

    on_node(shim_lab, scenario)


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_a_clock_that_is_set_bends_no_grace_period(shim_lab: Any, ahead: int) -> None:
    async def scenario(node: Node) -> None:
        stubborn = "trap 'echo asked' TERM; echo up; while :; do sleep 0.02; done"
        await node.create("pod", shell(stubborn), terminationGracePeriodSeconds=1)
        await node.ready("pod")
        await node.when("pod", lambda _: node.log("pod", "app") == "up", "up")
        begun = time.monotonic()
        await node.client.delete("pods", "default", "pod")
        await node.when("pod", lambda _: node.log("pod", "app").endswith("asked"), "asked to end")
        (node.lab.state / "ahead").write_text(str(ahead))
        await node.deleted("pod")
        assert 0.9 < time.monotonic() - begun < 4

    on_node(shim_lab, scenario)
