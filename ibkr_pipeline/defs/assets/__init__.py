"""Assets by stage: raw, core, ops."""
