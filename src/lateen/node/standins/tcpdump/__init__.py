"""A tcpdump for machines that have none: its options, filters, files and lines."""
