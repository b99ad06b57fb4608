"""From a container in a manifest to what the shim is told: command, variables, files, mounts. Pure
but for looking at which programs the host has, which is handed in."""

import contextlib
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from lateen.compiler.ir.proxy import MeshSettings
from lateen.model import entryaddresses, wellknown
from lateen.model.kube.core.container import Container, SecurityContext
from lateen.model.kube.core.pod import PodSecurityContext, PodSpec
from lateen.model.labapi.images import ContainerImage, LocalCommand
from lateen.node.container import backoff, environment, imageconfig, references, sidecar
from lateen.node.container.plan import CAPTURE, PROXY
from lateen.node.container.references import Missing, PodFields
from lateen.node.images import catalogue
from lateen.node.images.spec import ImageContext
from lateen.node.shim.protocol import ContainerSpec, Mount

WORK = "/var/lib/lateen/work"
CACHE = "/var/lib/lateen/cache"
TOOLS = "/var/lib/lateen/bin"
TERMINATION_LOG = "/dev/termination-log"
_PATH = f"{TOOLS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_WRITABLE = ("/usr/local/bin", "/usr/share/nginx/html")

_CAPABILITIES = {
    "CHOWN": 0, "DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "FOWNER": 3, "FSETID": 4, "KILL": 5,
    "SETGID": 6, "SETUID": 7, "SETPCAP": 8, "LINUX_IMMUTABLE": 9, "NET_BIND_SERVICE": 10,
    "NET_BROADCAST": 11, "NET_ADMIN": 12, "NET_RAW": 13, "IPC_LOCK": 14, "IPC_OWNER": 15,
    "SYS_MODULE": 16, "SYS_RAWIO": 17, "SYS_CHROOT": 18, "SYS_PTRACE": 19, "SYS_PACCT": 20,
    "SYS_ADMIN": 21, "SYS_BOOT": 22, "SYS_NICE": 23, "SYS_RESOURCE": 24, "SYS_TIME": 25,
    "SYS_TTY_CONFIG": 26, "MKNOD": 27, "LEASE": 28, "AUDIT_WRITE": 29, "AUDIT_CONTROL": 30,
    "SETFCAP": 31,
}  # fmt: skip
_DEFAULT_CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP",
)  # fmt: skip
_PROXY_CAPABILITIES = (*_DEFAULT_CAPABILITIES, "NET_ADMIN")
"""Marking sockets and capturing packets: the walkthrough runs tcpdump in istio-proxy."""


_LABEL, _HOST_NAME = 63, 64
_SYSCTLS = ("net.ipv4.ip_unprivileged_port_start",)
"""What every pod has as its manifest may say it: any user may listen on any port."""
_SOME_USER = 65532
_SUBJECT = "/CN=localhost"
_ISTIO = 1337
_UNSAID = (None, 0, False, ())
_USER_FIELDS = {
    "run_as_user": "runAsUser",
    "run_as_group": "runAsGroup",
    "run_as_non_root": "runAsNonRoot",
    "supplemental_groups": "supplementalGroups",
    "fs_group": "fsGroup",
}
_STOP_SIGNALS = {"nginx": "SIGQUIT", "nginx-demo": "SIGQUIT"}
"""What the real images declare as STOPSIGNAL, by kind: nginx then finishes what it serves."""


class ImageUnknownError(Exception):
    """No stand-in for an image; `reason` is kubelet's word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class LabFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for every container of a lab."""

    node_name: str
    python: tuple[str, ...]
    """Command line of the interpreter that runs stand-ins; `-m MODULE` follows."""
    mesh: MeshSettings
    domain: str = wellknown.CLUSTER_DOMAIN
    dns_ip: str = ""
    proxy_dns_ip: str = ""
    """The name server of proxies that answer their pods' DNS themselves."""
    masks: tuple[str, ...] = ()
    """Directories of the host with other pods' and the lab's own secrets."""
    tools: str = ""
    """Host directory with sudo and tcpdump for containers."""
    cache: str = ""
    """Host directory with the certificates of images, which stand-ins read."""
    trust: str = ""
    """Host file with the roots that containers trust; empty: the machine's own."""
    trusted_at: tuple[str, ...] = ()
    """Where containers look for them."""
    installed: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Programs of the host by name: nginx, openssl, curl, tcpdump."""
    images: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)
    """The user's own: image to command."""
    folders: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)
    """What their commands are run from: image to folders of the host, shown read-only."""
    pulls: bool = True
    """Whether images that are not here are pulled from their registries."""
    host_paths: tuple[str, ...] = ()
    real_root: bool = False
    """Whether user ids other than 0 exist in the lab."""
    capacity: Mapping[str, float] = msgspec.field(default_factory=dict)


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What differs from container to container."""

    container: Container
    pod: PodFields
    spec: PodSpec
    env: Mapping[str, str]
    mounts: tuple[Mount, ...]
    log: str
    xds: str = ""
    """Host directory with the pod's discovery socket; only for the proxy."""
    image: ContainerImage | None = None
    """The container's image, if it is in the store; else a stand-in runs."""


_ROOT = imageconfig.User(0, 0, (), "/root")


class _Program(NamedTuple):
    """What a container runs, and what it needs beside what every container has."""

    argv: tuple[str, ...]
    files: Mapping[str, str]
    env: Mapping[str, str]
    mounts: tuple[Mount, ...] = ()
    cwd: str = ""
    user: imageconfig.User = _ROOT
    """Its image's own user."""


def container_spec(lab: LabFacts, given: Inputs) -> ContainerSpec:
    """Return what the shim is told of one container.

    Raises ImageUnknownError when nothing stands in for its image.
    """
    container = given.container
    short = (given.spec.hostname or given.pod.name)[:_LABEL]
    hostname = host_name(given.spec, short, given.pod.namespace, lab.domain)
    files = dict(_name_files(lab, given, short)) | {"/etc/hostname": f"{hostname}\n"}
    if given.xds:
        program = _proxy(lab, given)
    elif given.image:
        program = _image(given, given.image)
    else:
        program = _stand_in(lab, given, short)
    user = _user(given, program.user) if lab.real_root and not given.xds else _ROOT
    home = program.user.home if user.uid == program.user.uid else user.home
    defaults = {"PATH": _PATH, "HOSTNAME": hostname, "HOME": home}
    trusted = tuple(Mount(lab.trust, place, True) for place in lab.trusted_at if lab.trust)
    if trusted:  # OpenSSL looks into a folder of single roots otherwise
        defaults["SSL_CERT_FILE"] = trusted[0].target
    context = container.security_context
    return ContainerSpec(
        argv=program.argv,
        env=tuple(f"{k}={v}" for k, v in {**defaults, **program.env}.items()),
        cwd=container.working_dir or program.cwd,
        hostname=hostname,
        files=tuple({**files, **program.files}.items()),
        mounts=(*trusted, *program.mounts, *given.mounts),
        masks=lab.masks,
        writable=() if given.image else _WRITABLE,
        layers=given.image.layers if given.image else (),
        log=given.log,
        stdin=bool(container.stdin),
        stdin_once=bool(container.stdin_once),
        tty=bool(container.tty),
        uid=user.uid,
        gid=user.gid,
        groups=user.groups,
        capabilities=capabilities(context, proxy=bool(given.xds)),
        memory=_memory(container),
        read_only_root=bool(context and context.read_only_root_filesystem),
        no_new_privileges=bool(
            context and context.allow_privilege_escalation is False and not given.xds
        ),
    )


def certificates(spec: ContainerSpec) -> dict[str, str]:
    """Return the files of `LabFacts.cache` that a container will read, each with the subject of its
    certificate as the container's command names it."""
    words = list(spec.argv)
    if spec.argv[1:2] == ("-c",):
        with contextlib.suppress(ValueError):  # a quote that never ends: none of ours
            words += shlex.split("".join(spec.argv[2:3]))
    named = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "--subject"]
    named += [word.partition("=")[2] for word in words if word.startswith("subject=")]
    text = "\n".join((*words, *(text for _, text in spec.files)))
    files = re.findall(rf"{CACHE}/([a-z0-9-]+\.pem)", text)
    return dict.fromkeys(files, named[0] if named else _SUBJECT)


def _folders(lab: LabFacts, image: str) -> Sequence[str]:
    known = catalogue.resolve(image, lab.images)
    return lab.folders.get(known.name, ()) if known else ()


def _memory(container: Container) -> int:
    limits = container.resources.limits if container.resources else {}
    return int(references.quantity(limits.get("memory") or 0))


def first_process(lab: LabFacts, spec: PodSpec) -> ContainerSpec:
    """Return what holds a process namespace that a pod's containers share. A shell that waits takes
    the orphans in, as process 1 has to."""
    return ContainerSpec(
        argv=("sh", "-c", "sleep infinity & wait"),
        env=(f"PATH={_PATH}",),
        hostname=spec.hostname[:_LABEL],
        masks=lab.masks,
        capabilities=capabilities(None),
    )


def with_command(lab: LabFacts, image: str, command: LocalCommand) -> LabFacts:
    """Return the lab with a process of the person's own under an image's name."""
    return replace(
        lab,
        images={**lab.images, image: command.argv},
        folders={**lab.folders, image: command.folders},
    )


def _tools(lab: LabFacts) -> tuple[Mount, ...]:
    return (Mount(lab.tools, TOOLS, True),) if lab.tools else ()


def _proxy(lab: LabFacts, given: Inputs) -> _Program:
    router = sidecar.is_router(given.container.args)
    text = sidecar.bootstrap_text(given.pod, lab.mesh, given.env, router=router)
    config = given.env.get("PROXY_CONFIG", "")
    argv = sidecar.command_line(given.container.args, router=router, config=config)
    mounts = (*_tools(lab), Mount(given.xds, sidecar.XDS_DIRECTORY))
    return _Program(argv, {sidecar.BOOTSTRAP: text}, given.env, mounts)


def _image(given: Inputs, image: ContainerImage) -> _Program:
    """Return what an image of the store runs."""
    env = imageconfig.variables(image, given.env)
    argv = imageconfig.words(image, given.container, given.env)
    if not argv:
        raise ImageUnknownError("CreateContainerError", "no command specified")
    try:
        user = imageconfig.image_user(image)
    except imageconfig.UnknownUser as error:
        raise ImageUnknownError("CreateContainerError", str(error)) from error
    own = {mount.target for mount in given.mounts}
    mounts = tuple(Mount("", path) for path in image.volumes if path not in own)
    return _Program(argv, {}, env, mounts, image.working_dir, user)


def _stand_in(lab: LabFacts, given: Inputs, hostname: str) -> _Program:
    container = given.container
    try:
        image = catalogue.resolve(container.image, lab.images)
    except ValueError as error:
        words = f'Failed to apply default image tag "{container.image}": {error}'
        raise ImageUnknownError("InvalidImageName", words) from error
    if image is None:
        raise ImageUnknownError(backoff.PULL_FAILED, catalogue.unknown(container.image))
    env = {**image.env, **given.env}
    context = ImageContext(
        work=WORK,
        cache=CACHE,
        python=lab.python,
        hostname=hostname,
        command=environment.expand_all(container.command, env),
        args=environment.expand_all(container.args, env),
        env=env,
        installed=lab.installed,
        mounts=frozenset(mount.target for mount in given.mounts),
    )
    launch = image.launch(context)
    if not launch.argv:
        raise ImageUnknownError("CreateContainerError", "no command specified")
    mounts = [*_tools(lab), Mount("", WORK)]
    if lab.cache:
        mounts.append(Mount(lab.cache, CACHE, True))
    mounts += [Mount(folder, folder, True) for folder in _folders(lab, container.image)]
    return _Program(tuple(launch.argv), dict(launch.files), env, tuple(mounts))


def stop_signal(
    container: Container, images: Mapping[str, Sequence[str]], found: ContainerImage | None
) -> str:
    """Return the signal that stops a container: its own, else its image's, else SIGTERM. `found`
    is its image in the store; without, a stand-in runs."""
    if container.lifecycle and container.lifecycle.stop_signal:
        return container.lifecycle.stop_signal
    if found is not None:
        return found.stop_signal or "SIGTERM"
    try:
        image = catalogue.resolve(container.image, images)
    except ValueError:
        return "SIGTERM"
    return _STOP_SIGNALS.get(image.kind, "SIGTERM") if image else "SIGTERM"


def capabilities(context: SecurityContext | None, *, proxy: bool = False) -> tuple[int, ...] | None:
    """Return the capabilities a container may have: a container runtime's default list, with
    what the manifest adds and drops. A privileged container has no limit."""
    if proxy:
        return tuple(_CAPABILITIES[name] for name in _PROXY_CAPABILITIES)
    if context and context.privileged:
        return None
    names = set(_DEFAULT_CAPABILITIES)
    if context and (change := context.capabilities):
        dropped = {_plain(name) for name in change.drop}
        names = set() if "ALL" in dropped else names - dropped
        added = {_plain(name) for name in change.add}
        names |= set(_CAPABILITIES) if "ALL" in added else added
    return tuple(sorted(_CAPABILITIES[name] for name in names if name in _CAPABILITIES))


def _plain(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def _user(given: Inputs, default: imageconfig.User) -> imageconfig.User:
    """Return user, group and more groups. Raises Missing when the user may not be the one asked
    for. A stand-in has no user of its own: where root is refused it gets one that nobody else is.
    """
    own, pod = given.container.security_context, given.spec.security_context
    both = [context for context in (own, pod) if context]
    uid = next((c.run_as_user for c in both if c.run_as_user is not None), None)
    gid = next((c.run_as_group for c in both if c.run_as_group is not None), None)
    user = default
    if uid is not None:
        user = imageconfig.account_of(given.image, uid) if given.image else _ROOT._replace(uid=uid)
    if next((c.run_as_non_root for c in both if c.run_as_non_root is not None), False):
        user = _not_root(given, user, uid)
    more = pod.supplemental_groups if pod else ()
    groups = (*user.groups, *more)
    if pod and pod.fs_group is not None:
        groups = (*groups, pod.fs_group)
    home = "/" if user.uid and not given.image else user.home
    return user._replace(gid=user.gid if gid is None else gid, groups=groups, home=home)


def _not_root(given: Inputs, user: imageconfig.User, uid: int | None) -> imageconfig.User:
    where = f'(pod: "{given.pod.name}_{given.pod.namespace}({given.pod.uid})", '
    where += f"container: {given.container.name})"
    if uid == 0:
        raise Missing(f"container's runAsUser breaks non-root policy {where}")
    if given.image is None:
        return user if user.uid else user._replace(uid=_SOME_USER)
    if uid is None and user.named:
        raise Missing(
            f"container has runAsNonRoot and image has non-numeric user ({given.image.user}),"
            f" cannot verify user is non-root {where}"
        )
    if user.uid == 0:
        raise Missing(f"container has runAsNonRoot and image will run as root {where}")
    return user


def without_effect(spec: PodSpec) -> tuple[str, ...]:
    """Return the fields of a pod that have no effect in any lab: a pod has its own network and
    processes, whatever it says."""
    sysctls = spec.security_context.sysctls if spec.security_context else ()
    fields = (
        ("hostPID", spec.host_pid),
        ("hostIPC", spec.host_ipc),
        ("securityContext.sysctls", any(one.name not in _SYSCTLS for one in sysctls)),
    )
    ports = tuple(
        f"spec.containers[{container.name}].ports[{port.container_port}].hostPort"
        for container in (*spec.init_containers, *spec.containers)
        for port in container.ports
        if port.host_port and not spec.host_network
    )
    return tuple(f"spec.{name}" for name, said in fields if said) + ports


def without_host_network(spec: PodSpec) -> tuple[str, ...]:
    """Return the field that asks for the node's network, if the pod has it. A lab's pod has its
    own network; it gets no sidecar all the same, as on a cluster."""
    return ("spec.hostNetwork",) if spec.host_network else ()


def without_users(spec: PodSpec) -> tuple[str, ...]:
    """Return the fields of a pod that have no effect where the only user is 0. Istio's own user
    is left out: a proxy needs none here."""
    contexts: list[tuple[str, PodSecurityContext | SecurityContext]] = []
    if spec.security_context:
        contexts.append(("spec.securityContext", spec.security_context))
    for container in (*spec.init_containers, *spec.containers, *spec.ephemeral_containers):
        if container.security_context and container.name not in (PROXY, CAPTURE):
            path = f"spec.containers[{container.name}].securityContext"
            contexts.append((path, container.security_context))
    return tuple(
        f"{path}.{word}"
        for path, context in contexts
        for field, word in _USER_FIELDS.items()
        if context.run_as_user != _ISTIO and getattr(context, field, None) not in _UNSAID
    )


def _name_files(lab: LabFacts, given: Inputs, hostname: str) -> tuple[tuple[str, str], ...]:
    return (
        ("/etc/hosts", hosts_file(given.pod, given.spec, hostname, lab.domain)),
        ("/etc/resolv.conf", resolver_file(given.pod.namespace, given.spec, _asked(lab, given))),
    )


def host_name(spec: PodSpec, short: str, namespace: str, domain: str) -> str:
    """Return the name that a pod's containers have: the short one, the one with its domain, or
    the one that overrides both. Raises Missing when the kernel takes no name of that length."""
    if spec.hostname_override:
        return spec.hostname_override
    if not spec.set_hostname_as_fqdn or not spec.subdomain:
        return short
    full = f"{short}.{spec.subdomain}.{namespace}.svc.{domain}"
    if len(full) > _HOST_NAME:
        raise Missing(
            "Failed to construct FQDN from Pod hostname and cluster domain, FQDN "
            f"{full} is too long ({_HOST_NAME} characters is the max, {len(full)} characters "
            "requested)"
        )
    return full


def hosts_file(pod: PodFields, spec: PodSpec, hostname: str, domain: str) -> str:
    """Return the pod's /etc/hosts, as kubelet writes it."""
    names = hostname
    if spec.subdomain:
        names = f"{hostname}.{spec.subdomain}.{pod.namespace}.svc.{domain}\t{hostname}"
    lines = ["# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost", f"{pod.ip}\t{names}"]
    if spec.host_aliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += ["\t".join((alias.ip, *alias.hostnames)) for alias in spec.host_aliases]
    return "\n".join(lines) + "\n"


def _asked(lab: LabFacts, given: Inputs) -> LabFacts:
    """Return the lab's facts with the name server that a container asks: a proxy that answers its
    pod's DNS asks elsewhere itself."""
    if given.container.name == PROXY and entryaddresses.captures(given.env.items()):
        return msgspec.structs.replace(lab, dns_ip=lab.proxy_dns_ip or lab.dns_ip)
    return lab


def resolver_file(namespace: str, spec: PodSpec, lab: LabFacts) -> str:
    """Return the pod's /etc/resolv.conf. A lab has no other resolver than its own, so the policy
    `Default` differs only in what is searched."""
    own = spec.dns_config
    servers: list[str] = [] if spec.dns_policy == "None" else [lab.dns_ip]
    searches: list[str] = []
    options = {}
    if spec.dns_policy in ("", "ClusterFirst", "ClusterFirstWithHostNet"):
        searches = [f"{namespace}.svc.{lab.domain}", f"svc.{lab.domain}", lab.domain]
        options = {"ndots": "5"}
    if own:
        servers += [one for one in own.nameservers if one not in servers]
        searches += [one for one in own.searches if one not in searches]
        options |= {one.name: one.value or "" for one in own.options}
    lines = [f"search {' '.join(searches)}"] if searches else []
    lines += [f"nameserver {server}" for server in servers]
    if options:
        words = " ".join(f"{name}:{value}" if value else name for name, value in options.items())
        lines.append(f"options {words}")
    return "\n".join(lines) + "\n"
