"""Every Dagster object, and no business logic: what is done is done by `pipelines/`."""
