"""The lab's own API beside Kubernetes'."""
