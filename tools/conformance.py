"""Run the Gateway API's conformance suite against labs of its own, and tell what passed.

Usage: python tools/conformance.py [--part gateway|mesh] [--channel standard|experimental] [--core]
           [--times N] [--report FOLDER] [--against FILE] [SUITE'S FLAGS]

Needs Go, and root: the suite dials the Gateways' own addresses. Each part has a lab of its own,
which is taken down at the end. `--report` writes `gateway.yaml` and `mesh.yaml` there, `--against`
takes the list of tests that passed before (a name a line): one of them that fails now is an error,
another one that fails is only told.

Exit status: 0 all passed (or all that did before), 1 some failed, 2 nothing was run: a lab or the
build failed, 3 it cannot be run here: there is no Go, or no root.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODULE = ROOT / "conformance"
BUILT = ROOT / "build" / "conformance.test"
LATEEN = Path(sys.executable).parent / "lateen"
PARTS = ("gateway", "mesh")
_RESULT = re.compile(r"^    --- (PASS|FAIL|SKIP): TestConformance/(\S+) \(([\d.]+)s\)")
_FAILED, _NOTHING_RUN, _NOT_HERE = 1, 2, 3


class NotRunError(Exception):
    """Nothing was run; the text says why, and what to do."""


def say(text: str) -> None:
    """Write a line at once: a run takes minutes."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def unfit() -> str:
    """Return why the suite cannot be run here; empty if it can."""
    if shutil.which("go") is None:
        return "the suite is built with Go (1.26 or newer), and there is no `go`"
    if os.geteuid():
        return "the suite dials the Gateways' own addresses, which labs of root have"
    return ""


def build() -> None:
    """Build the suite's program, unless it is newer than the module. Raises NotRunError."""
    sources = [MODULE / name for name in ("go.mod", "go.sum", "conformance_test.go")]
    if BUILT.exists() and all(BUILT.stat().st_mtime > one.stat().st_mtime for one in sources):
        return
    BUILT.parent.mkdir(exist_ok=True)
    say("conformance: building the suite (a minute or two the first time)")
    done = subprocess.run(
        ["go", "test", "-c", "-o", str(BUILT), "."], cwd=MODULE, capture_output=True, text=True
    )
    if done.returncode:
        raise NotRunError(f"the suite could not be built:\n{done.stdout}{done.stderr}")


def release() -> Path:
    """Return the folder of the release that the module pins. Raises NotRunError."""
    command = ["go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api"]
    done = subprocess.run(command, cwd=MODULE, capture_output=True, text=True)
    if done.returncode or not done.stdout.strip():
        raise NotRunError(f"the release's files are not there: {done.stderr.strip()}")
    return Path(done.stdout.strip())


class Lab:
    """One lab, from its start to its end."""

    def __init__(self, part: str, folder: Path) -> None:
        self.name = f"conformance-{part}-{os.getpid()}"
        self._folder = folder

    def __enter__(self) -> "Lab":
        (self._folder / "lateen.yaml").write_text("injectUnlabelled: false\n")
        done = subprocess.run(
            [str(LATEEN), "up", str(self._folder), "--lab", self.name, "--timeout", "120"],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise NotRunError(f"the lab did not start:\n{done.stdout}{done.stderr}")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([str(LATEEN), "down", "--lab", self.name], capture_output=True)

    @property
    def kubeconfig(self) -> Path:
        """Where the suite finds the API server."""
        state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        return Path(state) / "lateen" / self.name / "kubeconfig"

    def install(self, folder: Path) -> None:
        """Apply a channel's published files, server-side. Raises NotRunError."""
        kubectl = shutil.which("kubectl") or "kubectl"
        text = "---\n".join(file.read_text() for file in sorted(folder.glob("*.yaml")))
        done = subprocess.run(
            [kubectl, "apply", "--server-side", "-f", "-"],
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            input=text,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise NotRunError(f"the definitions were refused:\n{done.stderr}")


def run(part: str, wanted: argparse.Namespace, more: list[str]) -> dict[str, str]:
    """Run one part in a lab of its own; return PASS, FAIL or SKIP by test. Raises NotRunError."""
    with tempfile.TemporaryDirectory() as scratch, Lab(part, Path(scratch)) as lab:
        lab.install(release() / "config" / "crd" / wanted.channel)
        flags = [f"-part={part}", f"-channel={wanted.channel}"]
        flags += ["-core"] if wanted.core else []
        if part == "mesh":
            flags.append("--namespace-labels=istio-injection=enabled")
        if wanted.report:
            wanted.report.mkdir(parents=True, exist_ok=True)
            flags += [
                f"--report-output={(wanted.report / f'{part}.yaml').resolve()}",
                "--organization=lateen",
                "--project=lateen",
                "--url=https://lateen.dev",
                f"--version={version()}",
                "--contact=https://lateen.dev",
            ]
        began = time.monotonic()
        found = follow([str(BUILT), "-test.v", "-test.timeout=0", *flags, *more], lab)
        say(f"conformance: {part}: {told(found)} in {time.monotonic() - began:.0f} s")
        return found


def follow(command: list[str], lab: Lab) -> dict[str, str]:
    """Run the suite's program, telling each test as it ends; its whole output is kept in build."""
    found: dict[str, str] = {}
    log = BUILT.parent / f"{lab.name.rsplit('-', 1)[0]}.log"
    environment = {**os.environ, "KUBECONFIG": str(lab.kubeconfig)}
    with (
        log.open("w") as kept,
        subprocess.Popen(
            command,
            cwd=MODULE,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            kept.write(line)
            if line.startswith("conformance: "):
                say(line.rstrip())
            if match := _RESULT.match(line):
                found[match[2]] = match[1]
    if not found:
        raise NotRunError(f"no test was run; see {log}")
    return found


def told(found: dict[str, str]) -> str:
    """Return how many tests came to what."""
    results = list(found.values())
    return f"{results.count('PASS')} passed, {results.count('FAIL')} failed, " + (
        f"{results.count('SKIP')} skipped"
    )


def version() -> str:
    """Return the version of what is tested: the commit, where there is one."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() or "unreleased"


def judged(found: dict[str, str], against: Path | None) -> int:
    """Return the exit status for the results of all parts."""
    failed = sorted(name for name, result in found.items() if result == "FAIL")
    if against is None:
        return _FAILED if failed else 0
    before = {line.strip() for line in against.read_text().splitlines() if line.strip()}
    before = {line for line in before if not line.startswith("#")}
    lost = [name for name in failed if name in before]
    for name in failed:
        say(f"conformance: {name} {'passed before' if name in before else 'never passed'}")
    gained = sorted(n for n, result in found.items() if result == "PASS" and n not in before)
    for name in gained:
        say(f"conformance: {name} passes now; add it to {against.name}")
    return _FAILED if lost else 0


def main(arguments: list[str]) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--channel", choices=("standard", "experimental"), default="standard")
    parser.add_argument("--core", action="store_true", help="core features alone")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--against", type=Path)
    wanted, more = parser.parse_known_args(arguments)
    if why := unfit():
        say(f"conformance: not run: {why}")
        return _NOT_HERE
    status = 0
    try:
        build()
        for _ in range(wanted.times):
            found: dict[str, str] = {}
            for part in wanted.part or PARTS:
                found |= run(part, wanted, more)
            status = max(status, judged(found, wanted.against))
    except NotRunError as error:
        say(f"conformance: {error}")
        return _NOTHING_RUN
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
