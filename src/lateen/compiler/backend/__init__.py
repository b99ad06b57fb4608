"""Mesh IR to Envoy protobufs: no rule is decided here, only written down."""
