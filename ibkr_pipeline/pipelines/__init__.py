"""The application: read, land, apply, publish, rebuild, reconcile, diagnose."""
