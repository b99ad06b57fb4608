"""A pod's metrics where Prometheus scrapes them: its proxy's under Istio's names, its own."""
