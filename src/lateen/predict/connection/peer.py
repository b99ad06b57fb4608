"""Who is at the other end of a connection, as rules of authorization see it. Pure."""

from lateen.predict.connection.hop import Hop
from lateen.predict.connection.run import Run
from lateen.predict.envoy import config, rbac
from lateen.predict.values.request import innermost


def subject(hop: Hop) -> rbac.Subject:
    """Return a connection as rules see it. No header is believed: the client's address is that of
    who connected."""
    source = hop.taken.source.rpartition(":")[0] or hop.taken.source
    return rbac.Subject(
        address=hop.taken.address,
        port=hop.taken.port,
        source=source,
        remote=source,
        sni=hop.sni,
        certificate=hop.certificate,
        trail=innermost(hop.taken.content).trail,
    )


def note_allowed(run: Run, hop: Hop, ruling: rbac.RbacResult) -> None:
    """Note which policy let a request or connection through, where one had to."""
    if ruling.policy != "none":
        sources = config.known(hop.policy_source(ruling.policy))
        run.step("authorization", f"allowed: {ruling.policy}", at=hop.name, sources=sources)
