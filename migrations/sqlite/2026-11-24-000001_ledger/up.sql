-- The ledger. Times are Unix seconds in UTC, widths are seconds, counts are 64-bit integers; NULL means that the
-- provider sent no value, which is not zero. docs/ARCHITECTURE.md explains the choices.

-- The provider's organisations whose usage is counted.
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    provider TEXT NOT NULL,
    organization TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (provider, organization)
) STRICT;

-- Admin credentials. The secret is sealed with the master key; the row's identity is its associated data.
CREATE TABLE provider_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    label TEXT,
    project_filter TEXT NOT NULL,
    mask TEXT NOT NULL,
    cipher_version INTEGER NOT NULL,
    master_key_id TEXT NOT NULL,
    nonce BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    status TEXT NOT NULL,
    status_message TEXT,
    created_at INTEGER NOT NULL,
    checked_at INTEGER
) STRICT;
CREATE INDEX provider_keys_account_idx ON provider_keys (account_id);

-- One row for each group of a window. No surrogate key: identity is (window_start, dedupe_key), and a distributed
-- PostgreSQL refuses unique keys without the distribution column. No foreign key to accounts: it would be checked for
-- every row of a bulk load, and accounts are never deleted.
CREATE TABLE usage_events (
    account_id INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    window_start INTEGER NOT NULL,
    window_end INTEGER NOT NULL,
    dedupe_key BLOB NOT NULL,
    project_id TEXT,
    api_key_id TEXT,
    user_id TEXT,
    model TEXT,
    service_tier TEXT,
    batch INTEGER CHECK (batch IN (0, 1)),
    api_source TEXT,
    vector_store_id TEXT,
    size TEXT,
    source TEXT,
    context_level TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    input_cached_tokens INTEGER,
    input_uncached_tokens INTEGER,
    input_cache_write_tokens INTEGER,
    input_cache_write_30m_tokens INTEGER,
    input_cache_write_12h_tokens INTEGER,
    input_text_tokens INTEGER,
    output_text_tokens INTEGER,
    input_cached_text_tokens INTEGER,
    input_audio_tokens INTEGER,
    input_cached_audio_tokens INTEGER,
    output_audio_tokens INTEGER,
    input_image_tokens INTEGER,
    input_cached_image_tokens INTEGER,
    output_image_tokens INTEGER,
    num_model_requests INTEGER,
    images INTEGER,
    characters INTEGER,
    seconds INTEGER,
    usage_bytes INTEGER,
    num_sessions INTEGER,
    num_requests INTEGER,
    content_hash INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    first_stored_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    run_id INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX usage_admin_bucket_idx ON usage_events (window_start, dedupe_key);

-- What a restatement replaced: the row as it stood. kind is changed, retracted, or added (the row did not exist, so its
-- metrics are NULL and its revision 0).
CREATE TABLE usage_revisions (
    kind TEXT NOT NULL,
    replaced_at INTEGER NOT NULL,
    replaced_by_run INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    window_start INTEGER NOT NULL,
    window_end INTEGER NOT NULL,
    dedupe_key BLOB NOT NULL,
    project_id TEXT,
    api_key_id TEXT,
    user_id TEXT,
    model TEXT,
    service_tier TEXT,
    batch INTEGER CHECK (batch IN (0, 1)),
    api_source TEXT,
    vector_store_id TEXT,
    size TEXT,
    source TEXT,
    context_level TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    input_cached_tokens INTEGER,
    input_uncached_tokens INTEGER,
    input_cache_write_tokens INTEGER,
    input_cache_write_30m_tokens INTEGER,
    input_cache_write_12h_tokens INTEGER,
    input_text_tokens INTEGER,
    output_text_tokens INTEGER,
    input_cached_text_tokens INTEGER,
    input_audio_tokens INTEGER,
    input_cached_audio_tokens INTEGER,
    output_audio_tokens INTEGER,
    input_image_tokens INTEGER,
    input_cached_image_tokens INTEGER,
    output_image_tokens INTEGER,
    num_model_requests INTEGER,
    images INTEGER,
    characters INTEGER,
    seconds INTEGER,
    usage_bytes INTEGER,
    num_sessions INTEGER,
    num_requests INTEGER,
    content_hash INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    first_stored_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    run_id INTEGER NOT NULL
) STRICT;
CREATE INDEX usage_revisions_idx ON usage_revisions (window_start, dedupe_key);

-- Which windows of which scope were read completely. project_filter is empty for every project, else sorted ids.
CREATE TABLE usage_coverage (
    account_id INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    width_seconds INTEGER NOT NULL,
    window_start INTEGER NOT NULL,
    project_filter TEXT NOT NULL,
    grouped_by INTEGER NOT NULL,
    refused_dimensions INTEGER NOT NULL,
    empty_dimensions INTEGER NOT NULL,
    state TEXT NOT NULL,
    event_count INTEGER NOT NULL,
    read_started_at INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    first_closed_at INTEGER,
    run_id INTEGER NOT NULL,
    PRIMARY KEY (account_id, endpoint, width_seconds, window_start, project_filter)
) STRICT;

-- Every run, with what it planned and what it did (JSON).
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    label TEXT,
    range_start INTEGER,
    range_end INTEGER,
    holder TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    plan TEXT NOT NULL,
    telemetry TEXT NOT NULL,
    issues TEXT NOT NULL
) STRICT;

-- Names for the ids in usage rows. The provider forgets deleted ones; this table does not.
CREATE TABLE directory_names (
    account_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT,
    email TEXT,
    project_id TEXT,
    status TEXT,
    created_at INTEGER,
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, kind, id)
) STRICT;

-- Who may write an account. fencing grows with every holder; expiry is in milliseconds of the database's own clock, so
-- that the clocks of several hosts need not agree.
CREATE TABLE leases (
    account_id INTEGER PRIMARY KEY,
    holder TEXT NOT NULL,
    fencing INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT;
