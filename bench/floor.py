"""The floor of a cold start: namespaces, Envoys and applications with everything decided before.

    python -m bench.floor PLAN

Prints `200` when the request through the gateway, and by mutual TLS, is answered. At the word
`more` on its standard input it starts the plan's further pods and prints the seconds until the last
of them is ready; it ends when its standard input does. Nothing is compiled, stored, watched or
issued here.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any

from bench.ports import ask
from lateen.controllers.injection import sidecar
from lateen.node.net import addressing
from lateen.node.net.network import LabNetwork
from lateen.node.net.podnetwork import CaptureOptions
from lateen.node.shim import syscalls


def namespace(home: int) -> int:
    """Make a network namespace and return a descriptor of it."""
    syscalls.unshare(syscalls.CLONE_NEWNET)
    fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.setns(home, syscalls.CLONE_NEWNET)
    return fd


Json = dict[str, Any]
Processes = list["subprocess.Popen[bytes]"]


def start(pods: list[Json], home: int, network: LabNetwork) -> Processes:
    """Start pods in namespaces of their own; returns their processes."""
    started: Processes = []
    for pod in pods:
        fd = namespace(home)
        network.attach(pod["name"], pod["ip"], fd)
        if pod["capture"]:
            network.capture(pod["name"], fd, CaptureOptions())
        syscalls.setns(fd, syscalls.CLONE_NEWNET)
        for argv in pod["processes"]:
            with open(pod["log"], "ab") as log:
                started.append(subprocess.Popen(argv, stdout=log, stderr=log))
        syscalls.setns(home, syscalls.CLONE_NEWNET)
    return started


def main(path: str) -> None:
    """Start all, ask until the answer is 200, wait for what comes next."""
    with open(path, encoding="utf-8") as file:
        plan = json.load(file)
    syscalls.unshare(syscalls.CLONE_NEWNET)
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as switch:
        switch.write("1")
    network = LabNetwork(addressing.Plan())
    started = start(plan["pods"], home, network)
    while ask(plan["host"], plan["port"], plan["path"]) != 200:
        pass
    print(200, *(process.pid for process in started), flush=True)
    for word in sys.stdin:
        assert word == "more\n"
        began = time.perf_counter()
        started += start(plan["more"], home, network)
        for pod in plan["more"]:
            while ask(pod["ip"], sidecar.READY_PORT, "/healthz/ready") != 200:
                pass
        print(time.perf_counter() - began, flush=True)
    for process in started:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main(sys.argv[1])
