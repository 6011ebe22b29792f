"""Interactive Brokers: the only room that knows its names, codes and habits."""
