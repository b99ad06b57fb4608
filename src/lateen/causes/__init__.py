"""Failure classes: what can go wrong with a request, in which words, and what helps. Pure.

`observe` concludes a cause from evidence; whoever predicts one names it from here too.
"""
