"""Requests and answers on the wire: paths, media types, upgrades, protobuf."""
