"""What a mapping file says: its words, read with line numbers. Knows no rows and no systems."""
