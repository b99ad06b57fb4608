"""The floor of a cold start: namespaces, Envoys and applications with everything decided before.

    python -m bench.floor PLAN

Prints `200` when the request through the gateway, and by mutual TLS, is answered; ends when its
standard input does. Nothing is compiled, stored, watched, issued or probed here.
"""

import json
import os
import subprocess
import sys

from bench.ports import ask
from lateen.node import addressing, syscalls
from lateen.node.network import LabNetwork
from lateen.node.podnetwork import CaptureOptions


def namespace(home: int) -> int:
    """Make a network namespace and return a descriptor of it."""
    syscalls.unshare(syscalls.CLONE_NEWNET)
    fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.setns(home, syscalls.CLONE_NEWNET)
    return fd


def main(path: str) -> None:
    """Start all, ask until the answer is 200, wait for the end."""
    with open(path, encoding="utf-8") as file:
        plan = json.load(file)
    syscalls.unshare(syscalls.CLONE_NEWNET)
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as switch:
        switch.write("1")
    network = LabNetwork(addressing.Plan())
    started = []
    for pod in plan["pods"]:
        fd = namespace(home)
        network.attach(pod["name"], pod["ip"], fd)
        if pod["capture"]:
            network.capture(pod["name"], fd, CaptureOptions())
        syscalls.setns(fd, syscalls.CLONE_NEWNET)
        for argv in pod["processes"]:
            with open(f"{pod['log']}", "ab") as log:
                started.append(subprocess.Popen(argv, stdout=log, stderr=log))
        syscalls.setns(home, syscalls.CLONE_NEWNET)
    while ask(plan["host"], plan["port"], plan["path"]) != 200:
        pass
    print(200, *(process.pid for process in started), flush=True)
    sys.stdin.read()
    for process in started:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main(sys.argv[1])
