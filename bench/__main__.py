"""python -m bench [NAME…]: measure, and print markdown tables. Without a name, everything."""

import importlib
import os
import platform
import sys
import time

from bench import tables

NAMES = (
    "cold",
    "effective",
    "requests",
    "memory",
    "compiling",
    "api",
    "capture",
    "sidecars",
    "overall",
    "foretelling",
    "holding",
    "images",
)


def machine() -> str:
    """Return what the figures were measured on."""
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"Linux {platform.release()}, Python {platform.python_version()}"
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} x {model}, {memory:.0f} GiB, {system}, load before {load:.1f}"


def main(names: list[str]) -> int:
    """Run the benchmarks named; returns 1 when a goal is missed."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"no benchmark {unknown[0]!r}: there are {', '.join(NAMES)}", file=sys.stderr)
        return 64
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print(f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {machine()}\n")
    missed = 0
    for name in names or NAMES:
        rows = importlib.import_module(f"bench.{name}").run()
        missed += sum(row.met is False for row in rows)
        print(f"### {name}\n\n{tables.table(rows)}\n", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
