"""Where a lab's control groups may be, and what is written to them. Pure.

Version 2 alone. A group gets memory to hand out only from a parent that may hand it out, and a
parent that has processes of its own may not: so a lab's group stands beside the one it was started
in, or above, wherever this user may make one. See `groups`.
"""

from collections.abc import Iterator, Mapping

from lateen.node.shim.walls import limits

_TYPE = "cgroup2"


def of_process(text: str) -> str:
    """Return the group of version 2 of /proc/PID/cgroup; empty if there is none."""
    for line in text.splitlines():
        if line.startswith("0::/"):
            return line.removeprefix("0::")
    return ""


def mounted(mountinfo: str) -> tuple[str, str]:
    """Return where the tree is mounted, and which group that place shows; empty if nowhere."""
    for line in mountinfo.splitlines():
        place, _, kind = line.partition(" - ")
        words = place.split(" ")
        if kind.split(" ")[0] == _TYPE and len(words) > 4:
            return _plain(words[4]), _plain(words[3])
    return "", ""


def _plain(word: str) -> str:
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        word = word.replace(code, sign)
    return word


def candidates(place: str, shown: str, own: str) -> Iterator[str]:
    """Yield the directories in which a lab's group may be made, the nearest first."""
    below = own.removeprefix(shown.rstrip("/"))
    if not place or not own or not (own == shown or own.startswith(f"{shown.rstrip('/')}/")):
        return
    names = [name for name in below.split("/") if name]
    if ".." in names:
        return  # what is above the namespace's root is not ours to see
    for count in range(len(names), -1, -1):
        yield "/".join((place.rstrip("/"), *names[:count]))


def of_lab(bound: int) -> Mapping[str, str]:
    """Return what a lab's own group is told: what its containers may have together."""
    return {"memory.max": str(bound)} if bound else {}


def of_container(memory: int) -> Mapping[str, str]:
    """Return what a container's group is told; `memory` 0 leaves it to the lab's. What is over the
    limit ends as a whole, as under kubelet, and may not be swapped out instead."""
    settings = {"pids.max": str(limits.PROCESSES), "memory.oom.group": "1"}
    if memory:
        settings |= {"memory.max": str(memory), "memory.swap.max": "0"}
    return settings


def name(handle: str) -> str:
    """Return the name of the group of a run of a container."""
    return handle.replace("/", ".")


def ended_for_memory(events: str) -> bool:
    """Whether memory.events says that the kernel ended processes of a group."""
    counts = dict(line.split(" ", 1) for line in events.splitlines() if " " in line)
    return int(counts.get("oom_kill", "0")) > 0
