"""The contract of the lab's own API: `/lateen/v1/...`, beside Kubernetes' paths."""
