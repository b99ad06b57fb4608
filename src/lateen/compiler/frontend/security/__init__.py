"""PeerAuthentication, AuthorizationPolicy, credentials."""
