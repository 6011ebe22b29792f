"""The connection to a TWS or Gateway; the only room that imports ib_async."""
