-- Whose names were erased, so that a later read of the directory does not bring them back. Their ids stay in usage rows.
CREATE TABLE erased_names (
    account_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    erased_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, kind, id)
) STRICT;
