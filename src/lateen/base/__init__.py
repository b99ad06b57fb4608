"""Clock, tasks, debounce, logs. Knows nothing of Kubernetes, Istio or Envoy."""
