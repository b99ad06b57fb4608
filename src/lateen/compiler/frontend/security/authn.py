"""PeerAuthentication: what a server accepts. Pure."""

from collections.abc import Mapping

from lateen.compiler.frontend import precedence
from lateen.compiler.ir.value import Value
from lateen.compiler.ir.workload import Mode, MtlsMode
from lateen.model.istio import security

DEFAULT = Mode(mode=MtlsMode.PERMISSIVE)

Policies = tuple[security.PeerAuthentication, ...]


class WorkloadModes(Value, frozen=True, kw_only=True):
    """The modes of one workload: for its ports in general, and for the listed ones."""

    mode: Mode
    ports: tuple[tuple[int, Mode], ...] = ()

    def at(self, port: int) -> Mode:
        """Return the mode of a workload port."""
        for number, mode in self.ports:
            if number == port:
                return mode
        return self.mode


def selector(policy: security.PeerAuthentication) -> Mapping[str, str]:
    """Return the labels a policy selects; empty for a mesh- or namespace-wide one."""
    chosen = policy.spec.selector
    return chosen.match_labels if chosen is not None else {}


def oldest_wide(policies: Policies) -> security.PeerAuthentication | None:
    """Return the one selector-less policy of a namespace that counts: the oldest."""
    return min((p for p in policies if not selector(p)), key=precedence.age, default=None)


def namespace_mode(mesh: Policies, namespace: Policies) -> Mode:
    """Return the mode of a whole namespace: its own policy, else the mesh's, else PERMISSIVE.

    `mesh` are the policies of the root namespace, of which those with a selector are ignored.
    """
    mode = _overlay(DEFAULT, oldest_wide(mesh))
    return _overlay(mode, oldest_wide(namespace))


def workload_modes(
    wide: Mode, policies: Policies, labels: Mapping[str, str], *, root: bool
) -> WorkloadModes:
    """Return the modes of a workload in a namespace whose own mode is `wide`.

    Exactly one workload policy counts, the oldest that matches, ports included. In the root
    namespace (`root`) policies with a selector are ignored.
    """
    matching = (
        p
        for p in policies
        if selector(p) and all(labels.get(k) == v for k, v in selector(p).items())
    )
    chosen = None if root else min(matching, key=precedence.age, default=None)
    mode = _overlay(wide, chosen)
    if chosen is None:
        return WorkloadModes(mode=mode)
    ports = (
        (port, _port_mode(chosen, port, block, mode))
        for port, block in (chosen.spec.port_level_mtls or {}).items()
    )
    return WorkloadModes(mode=mode, ports=tuple(sorted(ports, key=lambda item: item[0])))


def _overlay(wider: Mode, policy: security.PeerAuthentication | None) -> Mode:
    if policy is None:
        return wider
    mode = _mode(policy.spec.mtls)
    if mode is None:
        return wider
    return Mode(mode=mode, source=precedence.source("PeerAuthentication", policy, "spec.mtls.mode"))


def _port_mode(
    policy: security.PeerAuthentication,
    port: int,
    block: security.MutualTLS,
    inherited: Mode,
) -> Mode:
    mode = _mode(block)
    if mode is None:
        return inherited
    path = f"spec.portLevelMtls.{port}.mode"
    return Mode(mode=mode, source=precedence.source("PeerAuthentication", policy, path))


def _mode(block: security.MutualTLS | None) -> MtlsMode | None:
    """Return the mode written, or None for UNSET or a missing block."""
    written = block.mode if block is not None else ""
    return None if written in ("", "UNSET") else MtlsMode(written)
