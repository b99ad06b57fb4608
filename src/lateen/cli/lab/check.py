"""`lateen check`: what this machine allows, and how a lab is."""

import contextlib
import os
import platform
import pwd
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from lateen.app.lab import lab as labs
from lateen.app.lab.lab import LabError
from lateen.app.lab.paths import lab_paths
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.objects import logs
from lateen.cli.screen import findings
from lateen.cli.terminal import screen
from lateen.model.client import ApiError
from lateen.model.labapi import contract
from lateen.node import permission
from lateen.node.kernel import trials, verdicts
from lateen.node.kernel.verdicts import Capability, State
from lateen.node.shim import join

_MARKS = {State.GOOD: ("✔", "green"), State.LESS: ("‼", "yellow"), State.BAD: ("×", "red")}


def check(lab: str, output: str) -> int:
    """The command; it ends with 1 when no lab works here, or the one that is up does not."""
    if output not in ("", "json"):
        raise LabError(f"output {output!r}: use json", exits.USAGE)
    found = [*of_lab(lab)]
    sections = {"machine": [*verdicts.of_machine(machine(lab)), envoy()], f"lab {lab}": found}
    every = [verdict for section in sections.values() for verdict in section]
    bad = any(verdict.state is State.BAD for verdict in every)
    if output == "json":
        sys.stdout.write(
            msgspec.json.format(msgspec.json.encode(sections), indent=2).decode() + "\n"
        )
        return exits.FAILED if bad else exits.OK
    for title, section in sections.items():
        screen.say(f"{title}\n{'-' * len(title)}")
        for line in lines(section):
            screen.say(line)
        screen.say("")
    screen.say(summary(every))
    return exits.FAILED if bad else exits.OK


def lines(section: Iterable[Capability]) -> Iterator[str]:
    """Yield a line for each verdict, and one for each of its remedies."""
    for verdict in section:
        mark, colour = _MARKS[verdict.state]
        yield f"{screen.paint(mark, colour)} {verdict.subject}: {verdict.text}"
        for remedy in verdict.remedies:
            yield f"    {remedy}"


def summary(every: Iterable[Capability]) -> str:
    """Return the last line: whether labs work here."""
    states = [verdict.state for verdict in every]
    if State.BAD in states:
        return f"{screen.paint('×', 'red')} not everything that is needed works"
    less = states.count(State.LESS)
    return f"{screen.paint('✔', 'green')} labs work here" + (f", {less} with less" * bool(less))


def machine(lab: str) -> verdicts.Machine:
    """Find out about this machine, for a lab of a name. Trials end with what they made."""
    paths = lab_paths(lab)
    places = [next(d for d in (at, *at.parents) if d.is_dir()) for at in (paths.state, paths.run)]
    return verdicts.Machine(
        system=platform.system(),
        release=platform.release(),
        facts=permission.gather(),
        trials=trials.run([str(place) for place in places]),
        administers=permission.may_administer(),
        subordinate=_subordinate(),
        ipv6=Path("/proc/net/if_inet6").exists(),
    )


def _subordinate() -> int:
    names = [str(os.getuid())]
    with contextlib.suppress(KeyError):
        names.append(pwd.getpwuid(os.getuid()).pw_name)
    try:
        return verdicts.subordinate_ids(Path("/etc/subuid").read_text("utf-8"), tuple(names))
    except OSError:
        return 0


def envoy() -> Capability:
    """Whether the proxy's program is there and runs on this machine."""
    import subprocess

    from lateen.node.container import sidecar

    try:
        program = sidecar.envoy_binary()
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, ImportError, subprocess.TimeoutExpired) as error:
        return Capability(
            "Envoy", State.BAD, str(error), ("install Lateen again: its wheel has it",)
        )
    words = (done.stdout + done.stderr).strip()
    if done.returncode:
        return Capability("Envoy", State.BAD, words[-200:], ("see the C library that it asks for",))
    version = next((w for w in words.split("/") if w[:1].isdigit() and w.count(".") == 2), words)
    return Capability("Envoy", State.GOOD, version)


def of_lab(lab: str) -> Iterator[Capability]:
    """Yield how a lab is: its API server, pods, proxies and findings."""
    running = labs.find(lab)
    if running is None:
        yield Capability("lab", State.GOOD, "not up", ("`lateen up DIR` starts it",))
        return
    api = lab_api.Api.of(running)
    try:
        status: dict[str, Any] = api.ask(contract.STATUS)
    except (ApiError, LabError, OSError) as error:
        yield Capability(
            "API server", State.BAD, f"it does not answer: {error}", (f"see {running.paths.logs}",)
        )
        return
    yield Capability("API server", State.GOOD, f"it answers as Istio {status['istio']}")
    yield from _walls(join.shim_pid(running.paths.shim_socket))
    yield from of_status(status, logs.last_lines(api))


def _walls(shim: int) -> Iterator[Capability]:
    """Yield what walls the containers of a lab have: those of the first one that there is. The
    shim starts them; what else it started is in its own user namespace."""
    own = _read(f"/proc/{shim}/ns/user")
    for child in _read(f"/proc/{shim}/task/{shim}/children").split():
        if _read(f"/proc/{child}/ns/user") not in ("", own):
            status = _read(f"/proc/{child}/status").partition("\nSeccomp:")[2].split()
            yield verdicts.of_container(_read(f"/proc/{child}/uid_map"), status[0])
            return


def _read(path: str) -> str:
    """Return a file's text, or where a link of the kernel's leads; nothing for what has ended."""
    try:
        return os.readlink(path) if "/ns/" in path else Path(path).read_text("ascii", "replace")
    except OSError:
        return ""


def of_status(status: dict[str, Any], last_lines: findings.LastLines) -> Iterator[Capability]:
    """Yield what a lab's status says of pods, proxies and manifests."""
    ready = sum(1 for pod in status["pods"] if pod["ready"])
    broken = [*findings.pod_lines(status, last_lines)]
    state = State.BAD if broken else State.GOOD
    yield Capability("pods", state, f"{ready} of {len(status['pods'])} are ready", tuple(broken))
    synced = sum(1 for proxy in status["proxies"] if proxy["synced"])
    rejected = [*findings.proxy_lines(status)]
    bad = rejected or synced < len(status["proxies"])
    text = f"{synced} of {len(status['proxies'])} have their newest configuration"
    yield Capability("proxies", State.BAD if bad else State.GOOD, text, tuple(rejected))
    found = status["diagnostics"]
    worst = State.LESS if any(one["level"] != "Info" for one in found) else State.GOOD
    text = f"{len(found)} finding{'s' * (len(found) != 1)}"
    yield Capability("manifests", worst, text, ("`lateen status` shows them",) if found else ())
