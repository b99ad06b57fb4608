"""Process 1 of the lab's namespaces, and the programs beside it."""
