"""What every column and every table means: types, units, keys, grain. Derives DDL, checks, docs."""
