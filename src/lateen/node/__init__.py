"""The kubelet's part: pods as processes in namespaces."""
