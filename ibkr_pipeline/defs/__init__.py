"""Every Dagster object and no business logic."""
