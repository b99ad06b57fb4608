"""Controllers: what a cluster's control plane does of its own accord.

Each controller is a pure function from what is known (`known`) to what is to be done (`actions`);
`loop` runs them level-triggered on one shared cache. Start at `manager.Manager`. Pure as well:
`injection.inject`, called by the API server's admission.
"""
