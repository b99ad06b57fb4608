"""Memory: proportional set size of each proxy, and of the control plane at 1,000 Services."""

import tempfile
from pathlib import Path

from bench import meshes, tables
from bench.labs import Lab, processes
from bench.tables import Row

PODS = 12
SERVICES = 1000
APPLY = "application/apply-patch+yaml"


def parents() -> dict[int, int]:
    """Return the parent of every process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text(encoding="utf-8")
            except OSError:
                continue
            found[int(entry.name)] = int(text.rpartition(")")[2].split()[1])
    return found


def of_lab(lab: Lab) -> dict[int, str]:
    """Return pid and command line of every process of a lab."""
    root, above = lab.running.supervisor, parents()

    def belongs(pid: int) -> bool:
        while pid > 1:
            if pid == root:
                return True
            pid = above.get(pid, 0)
        return False

    return {pid: line for pid, line in processes(bool).items() if belongs(pid)}


def megabytes(pid: int, field: str = "Pss") -> float:
    """Return one figure of a process's memory map, in MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0]) * 1024 / 1e6
    raise ValueError(f"no {field} of process {pid}")


def run() -> list[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = meshes.small(Path(scratch), services=10, workloads=PODS)
        with Lab(folder) as lab:
            found = of_lab(lab)
            sidecars = [p for p, line in found.items() if "/_bin/envoy" in line and _single(line)]
            each = [megabytes(pid) for pid in sidecars]
            own = [megabytes(pid, "Private_Dirty") for pid in sidecars]
            copied = [megabytes(p) for p, line in found.items() if "waits to be copied" in line]
            python = [
                line for line in found.values() if Path(line.split()[0]).name.startswith("python")
            ]
            (plane,) = [pid for pid, line in found.items() if "lateen.app.plane" in line]
            idle = megabytes(plane)
            _fill(lab)
            full = megabytes(plane)
    middle = tables.median(each)
    return [
        Row(
            f"one sidecar's PSS, {len(sidecars)} pods, 10 Services",
            f"{middle:.1f} MB (largest {max(each):.1f})",
            f"pages that it shares with nobody {tables.median(own):.1f} MB",
            goal="22 MB",
            met=middle <= 22,
        ),
        *(Row("the process that they are copies of", f"{size:.1f} MB") for size in copied),
        Row("Python processes of the lab, whatever the number of pods", str(len(python))),
        Row("control plane's PSS with that mesh", f"{idle:.0f} MB"),
        Row(
            f"control plane's PSS, {SERVICES} Services with a VirtualService each, {PODS} sidecars",
            f"{full:.0f} MB",
            goal="150 MB",
            met=full <= 150,
        ),
    ]


def _single(line: str) -> bool:
    return "--concurrency 1 " in line


def _fill(lab: Lab) -> None:
    api = lab.api
    query = {"fieldManager": "bench", "force": "true"}
    for number in range(SERVICES):
        name = f"svc-{number}"
        for path, body in (
            (f"/api/v1/namespaces/default/services/{name}", meshes.service(name, name)),
            (
                f"/apis/networking.istio.io/v1/namespaces/default/virtualservices/{name}",
                meshes.mesh_route(name),
            ),
        ):
            api.request("PATCH", path, query=query, body=body, content_type=APPLY)
    lab.settled()
