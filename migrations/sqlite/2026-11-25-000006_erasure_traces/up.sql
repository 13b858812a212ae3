-- Erasures after which the database's own file was not written anew yet, so that it may still hold the text. A row goes
-- once that is done.
CREATE TABLE erasure_traces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    erased_at INTEGER NOT NULL
) STRICT;
