"""The rule that leads pods' connections to the outside to the relay. Pure.

It stands in the lab's own network and comes after those of Services: what they translate does not
pass by. Only TCP is led; other packets to the outside find no route, as without it.
"""

from lateen.node.net.addressing import Plan
from lateen.node.net.nft import (
    Chain,
    ChainHook,
    DestinationNat,
    Hook,
    Match,
    PacketField,
    PacketRule,
    Return,
    RuleTable,
)

TABLE = "lateen-egress"
PORT = 15999
"""The relay's port at the node's address."""
_AFTER_SERVICES = -90


def table(plan: Plan) -> RuleTable:
    """Return the rules for a lab of these addresses."""
    inside = (*plan.virtual, *(f"{each}/32" for each in plan.extra_node_addresses))
    stays = tuple(
        PacketRule((Match(PacketField.DESTINATION, network),), Return())
        for network in (*inside, "127.0.0.0/8")
    )
    leaves = PacketRule((Match(PacketField.PROTOCOL, "tcp"),), DestinationNat(plan.node_ip, PORT))
    hook = ChainHook("nat", Hook.PREROUTING, _AFTER_SERVICES)
    return RuleTable(TABLE, (Chain("prerouting", (*stays, leaves), hook),))
