"""Findings as an answer: which are told, in which form, and whether they fail a command."""
