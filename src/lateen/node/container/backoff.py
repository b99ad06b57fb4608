"""How long kubelet waits before it tries again: restarts and image pulls. Pure. Seconds."""

FIRST = 10.0
LONGEST = 300.0
FORGIVEN = 600.0
"""A run this long is forgiven (kubelet: twice the longest back-off)."""
PULL_FAILED = "ErrImagePull"
PULL_WAITS = "ImagePullBackOff"
PULL_SHOWN = 1.0
"""How long a container shows that its pull failed, before it shows that it waits for the next: on
a node, until the pod is looked at again."""


def restart(previous: float, ran: float) -> float:
    """Return the delay before the next start, given the last delay and how long the run took.

    -1 stands for "never delayed": the first restart is at once, then 10 s, doubling to 300 s.
    """
    if ran >= FORGIVEN or previous < 0:
        return 0.0
    return FIRST if previous == 0 else min(previous * 2, LONGEST)


def pull(previous: float) -> float:
    """Return the delay between two pulls, given the last one; 0 stands for none so far."""
    return FIRST if previous == 0 else min(previous * 2, LONGEST)
