"""Resources to mesh IR: Istio's rules live here, once."""
