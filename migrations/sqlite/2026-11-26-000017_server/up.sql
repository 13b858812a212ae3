-- Who may ask the server. token_hash is a keyed BLAKE3 hash of the token, which itself stands nowhere; account_scope is `all` or
-- the numbers of accounts, ascending and separated by commas.
CREATE TABLE api_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    account_scope TEXT NOT NULL,
    token_hash BLOB NOT NULL,
    mask TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX api_tokens_hash_idx ON api_tokens (token_hash);

-- A random number for each account, another one with every change of what is shown of it: whoever kept an answer knows by it
-- whether the answer still holds, also after a backup was put in place.
CREATE TABLE data_versions (
    account_id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT;
