"""What the outcome of each trial means for a lab, and what to do about it. Pure."""

from collections.abc import Iterator, Mapping
from enum import Enum

import msgspec

from lateen.model.messages import diagnostics
from lateen.node import permission
from lateen.node.permission import Facts

_SUBORDINATE = (1 << 16) - 1


class State(Enum):
    """How a line of `lateen check` came out."""

    GOOD = "ok"
    LESS = "less"
    """A lab works, with less."""
    BAD = "failed"
    """No lab works, or this one does not."""


class Capability(msgspec.Struct, frozen=True):
    """One line: what was checked, how it came out, what that means, what to do (or nothing)."""

    subject: str
    state: State
    text: str
    remedies: tuple[str, ...] = ()


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about this machine. `trials` are those of `trials.run`."""

    system: str
    release: str
    facts: Facts
    trials: Mapping[str, str]
    administers: bool
    """Whether this process may make namespaces without a user namespace."""
    subordinate: int = 0
    """How many subordinate ids /etc/subuid gives this user."""
    ipv6: bool = False


_MEANING = {
    "capture rules": (
        "nftables with nat",
        "traffic of pods goes through their sidecars",
        "no traffic can be sent through sidecars",
        "load the modules: sudo modprobe nf_tables nft_redir nft_chain_nat",
    ),
    "overlay": (
        "overlayfs",
        "containers write over the files that they are shown",
        "each container gets a copy of its image, or cannot write over the host's programs",
        "use Linux 5.11 or newer, and a container runtime that allows overlay mounts",
    ),
    "openat2": (
        "openat2",
        "paths in volumes cannot lead out of them",
        "paths in volumes are not held inside them",
        "use Linux 5.6 or newer; in a container, a seccomp profile that knows openat2",
    ),
    "idmapped mounts": (
        "idmapped mounts",
        "files of the host can show under the ids of a container",
        "files of the host show under their own ids",
        "use Linux 6.3 or newer (5.12 for ext4 and xfs)",
    ),
    "seccomp": (
        "seccomp",
        "system calls that a container has no need of are refused",
        "system calls of containers are not filtered",
        "use a kernel with CONFIG_SECCOMP_FILTER=y, on x86-64 or arm64",
    ),
    "bounds": (
        "bounds",
        "a pod's processes, watches and volumes are bounded",
        "not all that a pod may take is bounded",
        "use Linux 6.14 or newer, with du (coreutils)",
    ),
    "memory": (
        "memory",
        "control groups bound what containers have, each and together",
        "twice a second and oftener containers are looked at, and ended for what they have",
        "start the lab in a control group (version 2) that is delegated to this user",
    ),
    "container ids": (
        "root in a container",
        "it is nobody on this machine",
        "it is the lab's own user, kept by its root and its capabilities alone",
        "run the lab as root, with its state on a file system that has idmapped mounts",
    ),
}
"""By trial: its name for a person, what it gives, what is missing without it, and the remedy."""
_MORE_USERS = (
    "install newuidmap (uidmap on Debian and Ubuntu, shadow-utils elsewhere), and give this user"
    " ids: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER",
    "or run the lab as root",
)
_NEEDED = frozenset(("capture rules",))


def of_machine(machine: Machine) -> Iterator[Capability]:
    """Yield a verdict on each thing that a lab asks of the machine."""
    yield Capability("system", State.GOOD, f"{machine.system} {machine.release}")
    yield _namespaces(machine)
    if not machine.trials.get("namespaces"):
        for trial in _MEANING:
            yield _trial(trial, machine.trials.get(trial, "not tried"))
    yield _users(machine)
    yield _ipv6(machine)


def _namespaces(machine: Machine) -> Capability:
    failed = machine.trials.get("namespaces", "")
    if not failed:
        how = "as root" if machine.administers else "in a user namespace"
        return Capability("namespaces", State.GOOD, f"labs have networks of their own, {how}")
    step, _, code = failed.partition(" ")
    refusal = permission.diagnose(step, int(code or 1), machine.facts)
    return Capability("namespaces", State.BAD, refusal.cause, refusal.remedies)


def _trial(name: str, failure: str) -> Capability:
    subject, gives, lacks, remedy = _MEANING[name]
    if not failure:
        return Capability(subject, State.GOOD, gives)
    state = State.BAD if name in _NEEDED else State.LESS
    return Capability(subject, state, f"{lacks} ({failure})", (remedy,))


def of_container(ids: str, seccomp: str) -> Capability:
    """Return what walls a container of a running lab has: `ids` is its /proc/PID/uid_map as this
    machine reads it, `seccomp` the word of that name in its status."""
    words = [int(word) for word in ids.split()]
    first, number = words[1], sum(words[2::3])
    filtered = seccomp == "2"
    calls = "system calls are filtered" if filtered else "system calls are not filtered"
    others = f"{number} ids" if number > 1 else "one id"
    text = f"root in a container is uid {first} of this machine ({others}), {calls}"
    if first and len(words) == 3 and number > 1 and filtered:
        return Capability("walls", State.GOOD, text)
    row = diagnostics.CATALOGUE["LTN0179"]
    return Capability("walls", State.LESS, f"{text} [LTN0179]", (row.remedy,))


def _users(machine: Machine) -> Capability:
    """What runAsUser can mean here."""
    whose = "" if machine.administers else ", this user's subordinate ones"
    if not machine.trials.get("users", "not tried"):
        text = f"containers run under the ids that they ask for{whose}"
        return Capability("user ids", State.GOOD, text)
    text = "every container runs under one id: runAsUser and fsGroup have no effect"
    if machine.subordinate < _SUBORDINATE:
        text += f"; this user has {machine.subordinate or 'no'} subordinate ids"
    else:
        text += "; this user has subordinate ids, and newuidmap does not give them out"
    return Capability("user ids", State.LESS, text, _MORE_USERS)


def _ipv6(machine: Machine) -> Capability:
    there = "has" if machine.ipv6 else "has no"
    return Capability("IPv6", State.GOOD, f"labs are IPv4 only; this machine {there} IPv6")


def subordinate_ids(text: str, names: tuple[str, ...]) -> int:
    """Return how many ids a file such as /etc/subuid gives to a user, by name or number."""
    total = 0
    for line in text.splitlines():
        owner, _, rest = line.partition(":")
        count = rest.partition(":")[2]
        if owner in names and count.isdecimal():
            total += int(count)
    return total
