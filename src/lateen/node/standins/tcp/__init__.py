"""Servers that speak no HTTP."""
