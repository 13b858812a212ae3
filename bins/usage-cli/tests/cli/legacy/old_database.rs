//! The database of the old system: its tables as they were, and rows as it left them.

use usage_testkit::{PostgresCluster, PostgresDatabase};

/// `usage_events` with all 26 columns, its only index, and the tables that it refers to.
const SCHEMA: &str = "
    CREATE TABLE users (id text PRIMARY KEY, created_at timestamp NOT NULL DEFAULT now());
    CREATE TABLE provider_keys (id serial PRIMARY KEY, user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
        provider text NOT NULL, encrypted_key text NOT NULL, iv text NOT NULL, auth_tag text NOT NULL,
        created_at timestamp NOT NULL DEFAULT now(), usage_mode text NOT NULL DEFAULT 'standard',
        encrypted_metadata text, metadata_iv text, metadata_auth_tag text);
    CREATE TABLE usage_events (id serial PRIMARY KEY,
        key_id integer NOT NULL REFERENCES provider_keys ON DELETE CASCADE, model text NOT NULL,
        tokens_in integer DEFAULT 0, tokens_out integer DEFAULT 0, cost_estimate numeric(10, 6) DEFAULT '0',
        timestamp timestamp NOT NULL, window_start timestamp, window_end timestamp,
        project_id text, openai_user_id text, openai_api_key_id text, service_tier text, batch boolean,
        num_model_requests integer, input_cached_tokens integer, input_uncached_tokens integer,
        input_text_tokens integer, output_text_tokens integer, input_cached_text_tokens integer,
        input_audio_tokens integer, input_cached_audio_tokens integer, output_audio_tokens integer,
        input_image_tokens integer, input_cached_image_tokens integer, output_image_tokens integer);
    CREATE UNIQUE INDEX usage_admin_bucket_idx ON usage_events (key_id, model, window_start, window_end,
        COALESCE(project_id, ''), COALESCE(openai_api_key_id, ''), COALESCE(openai_user_id, ''),
        COALESCE(service_tier, ''), COALESCE(batch, false)) WHERE window_start IS NOT NULL;
    INSERT INTO users (id) VALUES ('user_clerk');
    INSERT INTO provider_keys (user_id, provider, encrypted_key, iv, auth_tag, usage_mode)
        SELECT 'user_clerk', 'openai', '00', '00', '00', 'admin' FROM generate_series(1, 3)";

/// A database of the old system.
pub(super) struct OldDatabase(PostgresDatabase);

impl OldDatabase {
    /// Empty tables.
    pub(super) fn new() -> Self {
        let database = PostgresCluster::shared().create_database();
        database.execute(SCHEMA);
        Self(database)
    }

    /// A database in which something else happened.
    pub(super) fn of(sql: &str) -> Self {
        let database = PostgresCluster::shared().create_database();
        database.execute(sql);
        Self(database)
    }

    /// Adds rows: `(key_id, model, tokens_in, tokens_out, timestamp, window_start, window_end, project_id,
    /// openai_api_key_id, openai_user_id, batch)`, as SQL.
    pub(super) fn add(&self, rows: &[&str]) {
        let rows = rows.join(", ");
        self.0.execute(&format!(
            "INSERT INTO usage_events (key_id, model, tokens_in, tokens_out, timestamp, window_start, window_end, \
             project_id, openai_api_key_id, openai_user_id, batch) VALUES {rows}"
        ));
    }

    pub(super) fn execute(&self, sql: &str) -> String {
        self.0.execute(sql)
    }

    /// Where to connect; the server asks for no password, and is given one.
    pub(super) fn url(&self) -> String {
        self.0
            .url()
            .replace("postgres@", &format!("postgres:{PASSWORD}@"))
    }

    /// The database in messages.
    pub(super) fn name(&self) -> String {
        self.0.url().replace("postgres@", "")
    }

    /// Everything in the old table, in a few bytes.
    pub(super) fn fingerprint(&self) -> String {
        self.execute("SELECT count(*), md5(string_agg(CAST(e AS text), ',' ORDER BY id)) FROM usage_events e")
    }
}

/// The password in the URL, which nothing may show or store.
pub(super) const PASSWORD: &str = "hunter2-of-the-old-system";
