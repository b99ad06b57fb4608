"""Packets: captures and the flows in them."""
