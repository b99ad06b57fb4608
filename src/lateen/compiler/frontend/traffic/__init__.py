"""DestinationRules to clusters and their policies."""
