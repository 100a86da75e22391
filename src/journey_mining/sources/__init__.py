"""Readers: from the bytes of an export to staged events; a preset is one SQL file under sql/sources."""
