"""Try istioctl and Istio's charts on a lab of the walkthrough, and write what they do.

Usage: python tools/istioctl.py [--check] [--istioctl FILE]

Builds the istioctl that `conformance/istioctl` pins (needs Go; minutes the first time), runs every
command of the table against a lab of its own, and writes the table of docs/tools.md. `--check`
writes nothing: it fails if the table there says something else. A command works if it ends as it
should and prints what a user looks for, not by its status alone.

Exit status: 0 done, 1 the table is another one, 2 nothing was run, 3 it cannot be run here.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
MODULE = ROOT / "conformance" / "istioctl"
LATEEN = ROOT / ".venv" / "bin" / "lateen"
PAGE = ROOT / "docs" / "tools.md"
BEGIN, END = "<!-- table: tools/istioctl.py -->", "<!-- end of table -->"


class Case(NamedTuple):
    """A command, what it prints when it works (regular expressions), and what differs from a
    cluster. `status` is that of a command that fails on a cluster too."""

    command: str
    says: tuple[str, ...]
    differs: str = ""
    status: int = 0
    seconds: int = 120


VERSION = "the versions are of the Istio that the lab behaves as"
NOT_ECDS = "fails as on a cluster: nothing is sent by ECDS"
CASES = (
    Case("istioctl version", (r"control plane version: 1\.\d+", r"\(3 proxies\)"), VERSION),
    Case("istioctl proxy-status", (r"(?m)^helloworld-mtls-.*\bCDS,LDS,EDS,RDS", "istiod-")),
    Case("istioctl proxy-status -v 1", ("SYNCED", "CDS")),
    Case("istioctl proxy-status {pod}", ("Clusters Match", "Listeners Match", "Routes Match")),
    Case("istioctl proxy-config cluster {pod}", (r"helloworld-mtls\S* .*8443|outbound", "EDS")),
    Case("istioctl proxy-config listener {pod}", (r"0\.0\.0\.0 +15006", "Inbound|inbound")),
    Case("istioctl proxy-config route {gateway}", (r"/http-mTLS +helloworld-vs\.default",)),
    Case("istioctl proxy-config endpoint {pod}", ("HEALTHY", "outbound|inbound")),
    Case("istioctl proxy-config secret {pod}", ("default", "ROOTCA", "ACTIVE")),
    Case("istioctl proxy-config bootstrap {pod}", ('"bootstrap"', "xds-grpc")),
    Case("istioctl proxy-config log {pod} --level rbac:debug", (r"rbac: +debug",)),
    Case("istioctl proxy-config all {pod}", ("SERVICE FQDN", "ROUTE|VHOST")),
    Case("istioctl proxy-config cluster --file {dump}", ("SERVICE FQDN", "EDS")),
    Case("istioctl proxy-config ecds {pod}", ("EcdsConfigDump",), NOT_ECDS, 1),
    Case("istioctl experimental describe pod {pod}", ("Pod Ports|Pod:", "helloworld")),
    Case("istioctl experimental describe service {service}", ("Service: ", "Port")),
    Case("istioctl experimental authz check {pod}", ("ACTION",)),
    Case("istioctl experimental check-inject -n default deploy/{deploy}", ("✔",)),
    Case("istioctl experimental injector list", (r"default +default +default: 2", "proxyv2:")),
    Case("istioctl experimental precheck", ("No issues found",)),
    Case("istioctl experimental envoy-stats {pod}", ("cluster_manager|server_info|# TYPE|envoy",)),
    Case("istioctl experimental internal-debug syncz", ("helloworld",)),
    Case("istioctl analyze --all-namespaces", ("IST0148|No validation issues",)),
    Case("istioctl validate -f {manifests}", ("validation succeed|is valid|Warning|warning",)),
    Case("istioctl kube-inject -f {plain}", ("name: istio-proxy", "sidecar.istio.io/status")),
    Case("istioctl tag set stable --revision default", ("stable",)),
    Case("istioctl tag list", (r"stable +default",)),
    Case("istioctl remote-clusters", ("synced", "istiod-")),
    Case("istioctl admin log", ("ACTIVE SCOPE", "xds"), "the scopes are the plane's own loggers"),
    Case(
        "istioctl bug-report --dir {scratch}/report --duration 1m", ("Done|Creating",), seconds=300
    ),
    Case(
        "helm install istio-base {charts}/base -n istio-system",
        ("STATUS: deployed",),
    ),
    Case(
        "helm install istiod {charts}/istio-control/istio-discovery -n istio-system"
        " --set meshConfig.accessLogEncoding=JSON --set pilot.env.PILOT_SEND=1",
        ("STATUS: deployed", "PILOT_SEND have no effect"),
        "the pod stands for the plane; the mesh configuration holds; variables, another release "
        "and values that inject otherwise are named as warnings",
    ),
    Case(
        "helm install ingress {charts}/gateway -n shop --create-namespace",
        ("STATUS: deployed",),
    ),
    Case("kubectl rollout status deploy/ingress -n shop --timeout 30s", ("successfully",)),
    Case("helm uninstall istiod -n istio-system", ("uninstalled",)),
    Case(
        "istioctl install --set profile=demo -y",
        ("Istiod installed", "Egress gateways installed", "Installation complete"),
        "as `helm install istiod`",
        seconds=300,
    ),
    Case("kubectl rollout status deploy/istio-egressgateway -n istio-system", ("successfully",)),
)


class NotRunError(Exception):
    """Nothing was run; the text says why."""


def built() -> Path:
    """Build istioctl and return it. Raises NotRunError."""
    program = ROOT / "build" / "istioctl"
    if program.exists() and program.stat().st_mtime > (MODULE / "go.mod").stat().st_mtime:
        return program
    program.parent.mkdir(exist_ok=True)
    say("tools: building istioctl (some minutes the first time)")
    command = ["go", "build", "-o", str(program), "istio.io/istio/istioctl/cmd/istioctl"]
    done = subprocess.run(command, cwd=MODULE, capture_output=True, text=True)
    if done.returncode:
        raise NotRunError(f"istioctl could not be built:\n{done.stderr}")
    return program


def charts() -> Path:
    """Return the folder of the pinned release's charts. Raises NotRunError."""
    command = ["go", "list", "-m", "-f", "{{.Dir}}", "istio.io/istio"]
    done = subprocess.run(command, cwd=MODULE, capture_output=True, text=True)
    if done.returncode or not done.stdout.strip():
        raise NotRunError(f"the charts are not there: {done.stderr.strip()}")
    return Path(done.stdout.strip()) / "manifests" / "charts"


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Lab:
    """A lab of the walkthrough, from its start to its end."""

    def __init__(self, scratch: Path) -> None:
        self._name = f"tools-{os.getpid()}"
        self._scratch = scratch
        state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        kubeconfig = Path(state) / "lateen" / self._name / "kubeconfig"
        self.env = {**os.environ, "KUBECONFIG": str(kubeconfig)}

    def __enter__(self) -> "Lab":
        folder = str(ROOT / "examples" / "walkthrough")
        command = [str(LATEEN), "up", folder, "--lab", self._name]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise NotRunError(f"the lab did not start:\n{done.stdout}{done.stderr}")
        self.output("kubectl", "wait", "-n", "istio-system", "deploy/istiod", "--for=create")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([str(LATEEN), "down", "--lab", self._name], capture_output=True)

    def output(self, *command: str) -> str:
        """Run a command; return what it prints. Raises NotRunError."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise NotRunError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def names(self) -> dict[str, str]:
        """Return what the commands' placeholders stand for."""
        first = "-o=jsonpath={.items[0].metadata.name}"
        pod = self.output("kubectl", "get", "pods", "-l", "app=helloworld", first)
        label = "istio=ingressgateway"
        gateway = self.output("kubectl", "get", "pods", "-n", "istio-system", "-l", label, first)
        dump = self._scratch / "dump.json"
        ask = ("pilot-agent", "request", "GET", "config_dump?include_eds=true")
        dump.write_text(self.output("kubectl", "exec", pod, "-c", "istio-proxy", "--", *ask))
        plain = self._scratch / "web.yaml"
        plain.write_text(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"
            "spec: {containers: [{name: web, image: nginx}]}\n"
        )
        return {
            "pod": pod,
            "gateway": f"{gateway}.istio-system",
            "deploy": self.output("kubectl", "get", "deploy", first),
            "service": self.output("kubectl", "get", "service", "-l", "app=helloworld", first)
            or "helloworld",
            "dump": str(dump),
            "plain": str(plain),
            "scratch": str(self._scratch),
            "manifests": str(ROOT / "examples" / "walkthrough" / "VirtualService.yaml"),
            "charts": str(charts()),
        }


def tried(case: Case, names: dict[str, str], lab: Lab, istioctl: Path) -> str:
    """Run a command; return what was not as it should be, empty if it works."""
    words = [word.format(**names) for word in case.command.split()]
    program = str(istioctl) if words[0] == "istioctl" else words[0]
    try:
        done = subprocess.run(
            [program, *words[1:]],
            env=lab.env,
            cwd=names["scratch"],
            capture_output=True,
            text=True,
            timeout=case.seconds,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {case.seconds} s"
    printed = done.stdout + done.stderr
    if done.returncode != case.status:
        return f"status {done.returncode}: {printed.strip().splitlines()[-1:]}"
    missing = [one for one in case.says if not re.search(one, printed)]
    return f"does not print {missing[0]!r}" if missing else ""


def shown(case: Case) -> str:
    """Return a command as the table has it."""
    text = case.command.replace("{charts}/istio-control/istio-discovery", "istio/istiod")
    text = text.replace("{charts}/", "istio/")
    names = {"pod": "POD", "gateway": "POD", "service": "NAME", "deploy": "NAME", "dump": "FILE"}
    more = {"plain": "FILE", "manifests": "FILE", "scratch": "FOLDER"}
    return text.format(**names, **more)


def table(found: dict[str, str]) -> str:
    """Return the table of the page."""
    rows = ["| command | works | differs |", "|---|---|---|"]
    for case in CASES:
        wrong = found[case.command]
        works = "no" if wrong else ("yes" if not case.status else "as on a cluster")
        note = f"{wrong}" if wrong else case.differs
        rows.append(f"| `{shown(case)}` | {works} | {note} |")
    return "\n".join(rows)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument("--istioctl", type=Path, help="a program that is there already")
    wanted = parser.parse_args()
    missing = [name for name in ("go", "kubectl", "helm") if shutil.which(name) is None]
    if missing:
        say(f"tools: {', '.join(missing)} not found; the tools are tried where these are")
        return 3
    try:
        istioctl = wanted.istioctl or built()
        with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
            names = lab.names()
            found = {}
            for case in CASES:
                found[case.command] = tried(case, names, lab, istioctl)
                say(f"{'FAIL' if found[case.command] else 'ok  '} {case.command}")
                if found[case.command]:
                    say(f"     {found[case.command]}")
    except NotRunError as error:
        say(f"tools: {error}")
        return 2
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page = f"{before}{BEGIN}\n{table(found)}\n{END}{after}"
    if wanted.check:
        return int(page != PAGE.read_text())
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
