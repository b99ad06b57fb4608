"""Services, workloads and endpoints."""
