"""One frozen value with everything a lab was started with, and the reader of lateen.yaml."""

import ipaddress
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from lateen.app.lab import externals
from lateen.model.external import ExternalHost
from lateen.model.schema import durations

CONFIG_NAME = "lateen.yaml"
_SHORTEST, _LONGEST = 4.0, 2160 * 3600.0
"""Of a workload's certificate, in seconds: time to renew it twice; the ninety days Istio allows."""


_AS_GIVEN = (
    "inject_unlabelled",
    "trace_sampling",
    "host_paths",
    "dns_forward",
    "egress",
    "egress_gateway",
    "revision_tags",
    "key_log",
    "full_log_rate",
    "copy_proxies",
)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,45}[a-z0-9])?")
_ADDRESS = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?")


class SettingsError(ValueError):
    """A setting that cannot be used; the message names file, field and remedy."""


class LabSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `up` decided, kept in lab.json so that a restarted process starts the same lab."""

    lab: str
    istio: str
    """Istio version to behave as, `1.17` or `1.28.4`."""
    user: int
    """uid of the person who started it: 0 makes the host link."""
    directory: str = ""
    """The folder that was given to `up`, for relative paths."""
    pool: str = ""
    """The /24 whose upper half holds LoadBalancer addresses; on the host too, for root."""
    api_port: int = 0
    """Port of the API server on 127.0.0.1; 0 picks a free one, which is then kept."""
    inject_unlabelled: bool = True
    """Whether namespaces without an injection label get sidecars."""
    allow_any: bool = True
    """outboundTrafficPolicy: ALLOW_ANY, or REGISTRY_ONLY when false."""
    access_log: str = "TEXT"
    """Proxy access logs: TEXT, JSON or empty for none."""
    trace_sampling: float = 1.0
    images: dict[str, list[str]] = {}
    """Image name to the command that stands in for it."""
    pulls: bool = True
    """Whether images that are not here are pulled from their registries."""
    mirrors: dict[str, list[str]] = {}
    """Registry to hosts that are asked for its images first."""
    external: tuple[ExternalHost, ...] = ()
    """Hosts outside the mesh that the lab has stand-ins or addresses for."""
    host_paths: list[str] = []
    """Host directories that hostPath volumes may mount."""
    dns_forward: str = ""
    """Address of a resolver for names outside the cluster; empty answers NXDOMAIN."""
    egress: bool = False
    """Whether pods reach the outside, by TCP through a relay on the host."""
    egress_private: list[str] = []
    """Private networks that pods reach then."""
    revision: str = "default"
    """Istio's revision: what `istio.io/rev` names."""
    revision_tags: list[str] = []
    """Other names of it."""
    egress_gateway: bool = False
    """Whether istio-system holds istio-egressgateway too."""
    certificate_ttl: float = 24 * 3600.0
    """Seconds a workload's certificate is valid; it is renewed at half of that, more or less."""
    key_log: bool = False
    """Whether the proxies write the keys of their TLS connections, for `lateen capture --keys`."""
    full_log_rate: float = 400.0
    """Reports a second up to which the proxies report every request for evidence; 0: always."""
    copy_proxies: bool = True
    """Whether proxies start as copies of one that has loaded, where that can be."""

    @property
    def opens_host(self) -> bool:
        """Whether something of the host may be opened to containers: `app.lab.consent` tells."""
        ways = self.egress or self.dns_forward or self.mirrors
        return bool(self.images or self.host_paths or ways)


class FileSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of lateen.yaml. Unset is None: the command line or the default decides."""

    istio: str | None = None
    """Istio version to behave as, such as `1.17`. Default: the newest that is modelled."""
    inject_unlabelled: bool | None = msgspec.field(default=None, name="injectUnlabelled")
    """Whether pods get sidecars in namespaces without an injection label. Default: `true`."""
    outbound_traffic_policy: str | None = msgspec.field(default=None, name="outboundTrafficPolicy")
    """`ALLOW_ANY`, or `REGISTRY_ONLY`: only hosts that the mesh knows. Default: `ALLOW_ANY`."""
    access_log: str | None = msgspec.field(default=None, name="accessLog")
    """The proxies' log: `TEXT`, `JSON` or `off`. Default: `TEXT`."""
    trace_sampling: float | None = msgspec.field(default=None, name="traceSampling")
    """Percent of requests that are sampled for tracing. Default: `1`."""
    images: dict[str, list[str] | str] | None = None
    """Image name to the command that stands in for it: a shell command, or a list of words."""
    pull: str | None = None
    """Images that are neither loaded nor in the catalogue: `missing` pulls them from their
    registries, `never` keeps the lab from every registry. Default: `missing`."""
    registry_mirrors: dict[str, list[str]] | None = msgspec.field(
        default=None, name="registryMirrors"
    )
    """Registry to the hosts that are asked before it, such as `docker.io: [127.0.0.1:5000]`.
    Default: none."""
    external: dict[str, externals.ExternalFields | str] | None = None
    """Host outside the mesh to what [answers for it](how-to/outside.md): an image, an IPv4 address,
    or `{image, port, args}`. Default: none."""
    host_paths: list[str] | None = msgspec.field(default=None, name="hostPaths")
    """Directories of the host that hostPath volumes may mount. Default: none."""
    dns_forward: str | None = msgspec.field(default=None, name="dnsForward")
    """Resolver for names outside the cluster: `ADDRESS` or `ADDRESS:PORT`. Default: none, and
    such names do not exist."""
    egress: bool | None = None
    """Whether pods reach the internet, through
    [a relay on the host's side](decisions/017-way-out.md). Default: `false`."""
    egress_private: list[str] | None = msgspec.field(default=None, name="egressPrivate")
    """Private networks that pods reach then, such as `[10.20.0.0/16]`. Default: none."""
    revision: str | None = None
    """Istio's revision, which the label `istio.io/rev` names. Default: `default`."""
    revision_tags: list[str] | None = msgspec.field(default=None, name="revisionTags")
    """Other names of that revision, such as `[stable]`. Default: none."""
    egress_gateway: bool | None = msgspec.field(default=None, name="egressGateway")
    """Whether `istio-egressgateway` stands beside the ingress gateway. Default: `false`."""
    certificate_ttl: str | None = msgspec.field(default=None, name="certificateTTL")
    """How long a workload's certificate is valid, `4s` to `2160h`. Default: `24h`."""
    key_log: bool | None = msgspec.field(default=None, name="keyLog")
    """Whether proxies write their TLS keys, for `lateen capture --keys`. Default: `false`."""
    full_log_rate: float | None = msgspec.field(default=None, name="fullLogRate")
    """Requests and hops a second up to which every one is reported; `0` reports all always; see
    [evidence](evidence.md#very-many-requests). Default: `400`."""
    copy_proxies: bool | None = msgspec.field(default=None, name="copyProxies")
    """Whether proxies start as [copies of one that has loaded](decisions/010-zygote.md), where
    the machine allows it. Default: `true`."""


def read_file(path: Path) -> FileSettings:
    """Read a lateen.yaml. Raises SettingsError with file, line or field."""
    import yaml

    try:
        data = _read(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not a text file (byte {error.start}): use UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line + 1) if error.problem_mark else 1
        raise SettingsError(f"{path}:{line}: not YAML: {error.problem}") from error
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    try:
        return msgspec.convert(data or {}, FileSettings)
    except msgspec.ValidationError as error:
        known = ", ".join(sorted(f.encode_name for f in msgspec.structs.fields(FileSettings)))
        raise SettingsError(f"{path}: {error}. Fields: {known}") from error


_TEXTS = ("istio", "accessLog")
"""Fields whose text counts: in YAML 1.20 is the number 1.2, and `off` is false."""


def _read(text: str) -> Any:
    import yaml

    data = yaml.load(text, Loader=yaml.CSafeLoader)
    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    if isinstance(data, dict) and isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value in _TEXTS and isinstance(value, yaml.ScalarNode) and value.value:
                data[key.value] = value.value
    return data


def from_file(base: LabSettings, file: FileSettings) -> LabSettings:
    """Return the settings with what the file sets. Raises SettingsError on a bad word."""
    _check_ranges(file)
    changes = _words(file)
    if file.revision is not None:
        changes["revision"] = file.revision
    if file.images is not None:
        changes["images"] = _images(file.images)
    if file.external is not None:
        changes["external"] = _external(file.external)
    if file.registry_mirrors is not None:
        changes["mirrors"] = file.registry_mirrors
    if file.certificate_ttl is not None:
        changes["certificate_ttl"] = _lifetime(file.certificate_ttl)
    if file.egress_private is not None:
        changes["egress_private"] = _private(file.egress_private)
    for name in _AS_GIVEN:
        if (given := getattr(file, name)) is not None:
            changes[name] = given
    return msgspec.structs.replace(base, **changes)


def _words(file: FileSettings) -> dict[str, Any]:
    """Return what the fields with words of their own change. Raises SettingsError."""
    changes: dict[str, Any] = {}
    if file.istio is not None:
        changes["istio"] = file.istio
    if file.outbound_traffic_policy is not None:
        word = file.outbound_traffic_policy
        if word not in ("ALLOW_ANY", "REGISTRY_ONLY"):
            raise SettingsError(
                f"{CONFIG_NAME}: outboundTrafficPolicy {word!r}: use ALLOW_ANY or REGISTRY_ONLY"
            )
        changes["allow_any"] = word == "ALLOW_ANY"
    if file.access_log is not None:
        word = file.access_log.upper()
        if word not in ("TEXT", "JSON", "", "OFF"):
            raise SettingsError(f"{CONFIG_NAME}: accessLog {word}: use TEXT, JSON or off")
        changes["access_log"] = "" if word == "OFF" else word
    if file.pull is not None:
        if file.pull not in ("missing", "never"):
            raise SettingsError(f"{CONFIG_NAME}: pull {file.pull!r}: use missing or never")
        changes["pulls"] = file.pull == "missing"
    return changes


def _check_ranges(file: FileSettings) -> None:
    for name in (file.revision or "default", *(file.revision_tags or ())):
        if not _LABEL.fullmatch(name):
            raise SettingsError(
                f"{CONFIG_NAME}: revision {name!r}: use lower-case letters, digits and '-'"
            )
    if file.full_log_rate is not None and not file.full_log_rate >= 0:
        raise SettingsError(f"{CONFIG_NAME}: fullLogRate {file.full_log_rate}: use 0 or more")
    if file.trace_sampling is not None and not 0 <= file.trace_sampling <= 100:
        raise SettingsError(f"{CONFIG_NAME}: traceSampling {file.trace_sampling:g}: use 0 to 100")
    if file.dns_forward and not _ADDRESS.fullmatch(file.dns_forward):
        raise SettingsError(
            f"{CONFIG_NAME}: dnsForward {file.dns_forward!r}: use ADDRESS or ADDRESS:PORT"
        )


def _images(written: dict[str, list[str] | str]) -> dict[str, list[str]]:
    return {
        name: ["/bin/sh", "-c", command] if isinstance(command, str) else command
        for name, command in written.items()
    }


def _external(written: externals.Written) -> tuple[ExternalHost, ...]:
    try:
        return externals.hosts(written)
    except ValueError as error:
        raise SettingsError(f"{CONFIG_NAME}: {error}") from error


def _private(words: list[str]) -> list[str]:
    found = []
    for word in words:
        try:
            found.append(str(ipaddress.IPv4Network(word)))
        except ValueError as error:
            raise SettingsError(
                f"{CONFIG_NAME}: egressPrivate {word!r}: use IPv4 networks such as 10.20.0.0/16"
            ) from error
    return found


def _lifetime(text: str) -> float:
    try:
        seconds = durations.seconds(text)
    except ValueError as error:
        raise SettingsError(f"{CONFIG_NAME}: certificateTTL: {error}") from error
    if not _SHORTEST <= seconds <= _LONGEST:
        raise SettingsError(f"{CONFIG_NAME}: certificateTTL {text!r}: use 4s to 2160h")
    return seconds


def save(settings: LabSettings, path: Path) -> None:
    """Write lab.json, whole or not at all."""
    scratch = path.with_suffix(".new")
    scratch.write_bytes(msgspec.json.format(msgspec.json.encode(settings)))
    os.chmod(scratch, 0o600)
    scratch.replace(path)


def load(path: Path) -> LabSettings:
    """Read lab.json. Raises SettingsError when it is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LabSettings)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{path} is damaged: {error}. `lateen down` removes the lab") from error


def with_istio(settings: LabSettings, version: str) -> LabSettings:
    """Return the settings for another Istio version."""
    return msgspec.structs.replace(settings, istio=version)


def with_pool(settings: LabSettings, network: str) -> LabSettings:
    """Return the settings with the lab's own private network."""
    return msgspec.structs.replace(settings, pool=network)


def with_api_port(settings: LabSettings, port: int) -> LabSettings:
    """Return the settings with the API server's port, so that a restart keeps it."""
    return msgspec.structs.replace(settings, api_port=port)
