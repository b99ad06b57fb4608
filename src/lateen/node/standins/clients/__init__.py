"""Programs that people run inside containers, for machines that have none to lend."""
