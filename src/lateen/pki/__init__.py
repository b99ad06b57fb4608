"""The lab's certificate authority and its SPIFFE identities."""
