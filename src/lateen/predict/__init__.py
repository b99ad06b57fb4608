"""What a request will do, said beforehand: an interpreter of Envoy's configuration."""
