"""What was freed goes back to the system."""

import subprocess
import sys

PROGRAM = """
from lateen.base import heap
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4
kept, freed = [], []
for _ in range(20_000):
    freed.append(bytes(10_000))
    kept.append(bytes(600))  # between them, so that the end of the heap is always in use
peak = resident()
freed.clear()
heap.give_back()
print(peak, resident())
"""


def test_memory_that_was_freed_between_what_is_kept_is_given_back() -> None:
    """In a process of its own: another one's heap would have room of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    peak, after = map(int, done.stdout.split())
    assert peak > 200_000
    assert after < peak / 2
