"""DuckDB: connection and lock, migrations, writers, as-of reads, the published read copy."""
