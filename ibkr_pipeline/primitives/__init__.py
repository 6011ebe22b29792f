"""The alphabet: words every other room is written with. Nothing here knows a broker or a table."""
