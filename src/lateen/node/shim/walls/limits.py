"""How much a container may have, beyond what its manifest says."""

PROCESSES = 4096
"""Processes and threads."""
OOM_SCORE = "1000"
"""For /proc/PID/oom_score_adj: where memory is short, the kernel ends what runs in containers
before the lab's own, and before anything else of the machine."""
WRITABLE_LAYER = 512 << 20
"""Bytes that it may write outside its volumes: into /usr and /etc, and into the rest each."""
DEVICES, SHARED_MEMORY = "64k", "256m"
VOLUME = 8 << 30
"""Bytes that an emptyDir on disk may hold which has no sizeLimit."""
MEMORY_VOLUME = 1 << 30
"""The same of one in memory."""
FILES = 1 << 18
"""How many files there may be in what it writes outside its volumes."""
BESIDE_VOLUMES = "16Mi"
"""What a pod's termination messages may take, before anybody reads them."""
WATCHERS, WATCHES = 32, 16384
"""How many queues of changed files a user of a pod may have, and how many files watched."""
