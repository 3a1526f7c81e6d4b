"""What commands write: files, captions, tables on a terminal."""
