"""Programs that drive one client each; they run in that client's own environment."""
