"""A pod's life: its state machine and the worker around it."""
