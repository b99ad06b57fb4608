"""What is noticed only when the state of a mesh is shown: nothing is compiled differently for it,
and pods come and go all the time. Pure."""

from lateen.compiler.frontend.diagnostics import annotations, ipv6, selectors
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.snapshot import Snapshot


def findings(snapshot: Snapshot, root_namespace: str) -> tuple[Diagnostic, ...]:
    """Return what selects nothing, annotations without effect, and addresses of a family that a lab
    does not have."""
    return (
        *selectors.findings(snapshot, root_namespace),
        *annotations.findings(snapshot),
        *ipv6.findings(snapshot),
    )
