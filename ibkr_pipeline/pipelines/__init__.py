"""The application: read, land, apply, verdict. The CLI, Dagster, the demo and tests call these."""
