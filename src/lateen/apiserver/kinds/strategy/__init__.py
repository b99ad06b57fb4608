"""What each kind adds to the API server's verbs: defaults, rules of change, refusals. Pure.

Start at `registry.strategy_for(resource)`; `base` holds the interface, `addresses` the
allocation of cluster IPs and ports.
"""
