-- Only here so that both databases have the same tables: a file has no connection that could be lost, and no write leaves a mark.
CREATE TABLE write_marks (
    token BLOB NOT NULL PRIMARY KEY,
    marked_at_ms INTEGER NOT NULL,
    confirmations INTEGER NOT NULL DEFAULT 0
) STRICT;
