"""Programs that people and kubectl expect to find in a container. Pure.

The node puts these scripts into a directory that comes first on the PATH of commands run in a
container with `kubectl exec`.
"""

import shlex
from collections.abc import Mapping, Sequence

TCPDUMP = "lateen.node.standins.tcpdump.__main__"
CLIENTS = {
    "curl": "lateen.node.standins.clients.curl",
    "nc": "lateen.node.standins.clients.nc",
}
"""What stands in for programs that a machine may not have."""
PILOT_AGENT = "lateen.node.standins.pilotagent"

PROXY_MARKER = "/var/lib/lateen/xds"
"""A directory that only a proxy's container has."""

_SUDO = """\
#!/bin/sh
# Everything in a lab's container runs as its owner already: options are read and passed over.
while [ $# -gt 0 ]; do
    case "$1" in
        --) shift; break ;;
        -[ugpCrtTUDRh]) shift; [ $# -gt 0 ] && shift ;;
        --user|--group|--prompt|--chdir|--host|--role|--type) shift; [ $# -gt 0 ] && shift ;;
        -l|-v|-k|-K|--list|--validate) exit 0 ;;
        -s|-i|--shell|--login) shift; [ $# -eq 0 ] && set -- "${SHELL:-/bin/sh}"; break ;;
        -*) shift ;;
        [A-Za-z_]*=*) export "$1"; shift ;;
        *) break ;;
    esac
done
if [ $# -eq 0 ]; then
    echo "usage: sudo [options] command" >&2
    exit 1
fi
exec "$@"
"""

# tcpdump insists on setting its groups, even to stay root, which a user namespace that maps one
# uid forbids. And unless told otherwise it holds packets back for a second, and lines until a
# buffer is full.
_REAL = """\
read -r groups </proc/self/setgroups
if [ "$groups" = allow ]; then
    exec {tcpdump} -Z root --immediate-mode -l "$@"
fi
"""


# `kubectl cp` unpacks as root, and root's tar gives files to whom they had belonged: in a user
# namespace that maps one uid nobody else exists.
_TAR = """\
#!/bin/sh
read -r groups </proc/self/setgroups
if [ "$groups" = deny ]; then
    export TAR_OPTIONS="--no-same-owner $TAR_OPTIONS"
fi
PATH={directory}:$PATH
exec tar "$@"
"""


# Istio's documentation talks to Envoy through the agent beside it, in a proxy's container alone.
_AGENT = """\
#!/bin/sh
if [ -d {marker} ]; then
    exec {python} -m {module} "$@"
fi
echo "sh: pilot-agent: not found" >&2
exit 127
"""


def scripts(python: Sequence[str], installed: Mapping[str, str]) -> dict[str, str]:
    """Return each program's name and its script (to be written with mode 0755).

    `python` is the interpreter's command line; `installed` maps the programs found on this machine
    to their paths.
    """
    interpreter = shlex.join(python)
    built_in = f'exec {interpreter} -m {TCPDUMP} "$@"\n'
    real = installed.get("tcpdump")
    choice = _REAL.format(tcpdump=real) if real else ""
    agent = _AGENT.format(python=interpreter, module=PILOT_AGENT, marker=PROXY_MARKER)
    made = {"sudo": _SUDO, "tcpdump": f"#!/bin/sh\n{choice}{built_in}", "pilot-agent": agent}
    if tar := installed.get("tar"):
        made["tar"] = _TAR.format(directory=tar.rpartition("/")[0])
    for name, module in CLIENTS.items():
        if name not in installed:
            made[name] = f'#!/bin/sh\nexec {interpreter} -m {module} "$@"\n'
    return made
