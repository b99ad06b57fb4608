"""Servers of datagrams."""
