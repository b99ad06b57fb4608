"""How much a container may have, beyond what its manifest says."""

PROCESSES = 4096
"""Processes and threads."""
OOM_SCORE = "1000"
"""For /proc/PID/oom_score_adj: where memory is short, the kernel ends what runs in containers
before the lab's own, and before anything else of the machine."""
WRITABLE_LAYER = "512m"
"""What it may write outside its volumes: into /usr and /etc, and into the rest each."""
DEVICES, SHARED_MEMORY = "64k", "256m"
