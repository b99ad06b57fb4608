"""Rules for Istio's PeerAuthentication. Pure."""

from lateen.model.istio.security import PeerAuthentication
from lateen.model.validation import syntax
from lateen.model.validation.istio import shared
from lateen.model.validation.report import Report


def validate(report: Report, obj: PeerAuthentication) -> None:
    """Check a PeerAuthentication."""
    spec = obj.spec
    shared.annotations(report, obj.metadata, "PeerAuthentication")
    shared.workload_selector(report, spec.selector, "spec.selector")
    ports = spec.port_level_mtls
    if ports is None:
        return
    path = "spec.portLevelMtls"
    if spec.selector is None or not spec.selector.match_labels:
        report.error(path, "portLevelMtls requires selector")
    if not ports:
        report.error(path, "portLevelMtls must not be empty")
    for number in ports:
        report.check(f"{path}.{number}", syntax.port(number))
