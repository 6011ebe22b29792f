"""Raw files: published atomically, listed in a manifest, read back and checked."""
