"""Observe: how the roles of the service are doing, for health checks and people."""
