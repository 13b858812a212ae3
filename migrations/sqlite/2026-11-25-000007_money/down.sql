-- What an older program would take for read, or could not name.
DELETE FROM usage_coverage WHERE endpoint = 'costs';
DELETE FROM usage_revisions WHERE kind = 'repriced';
DROP VIEW cost_daily;
DROP VIEW coverage_daily;
DROP VIEW usage_daily;
DROP TABLE cost_revisions;
DROP TABLE cost_events;
DROP TABLE prices;
ALTER TABLE usage_events DROP COLUMN price_ref;
ALTER TABLE usage_events DROP COLUMN cost_nano_usd;
ALTER TABLE usage_revisions DROP COLUMN price_ref;
ALTER TABLE usage_revisions DROP COLUMN cost_nano_usd;

CREATE VIEW usage_daily AS
SELECT
    date(u.day_start, 'unixepoch') AS day,
    a.provider,
    a.organization,
    u.endpoint,
    CASE u.width_seconds WHEN 86400 THEN '1d' WHEN 3600 THEN '1h' WHEN 60 THEN '1m' ELSE CAST(u.width_seconds AS TEXT) || 's' END AS width,
    u.project_id,
    project_entry.name AS project_name,
    u.api_key_id,
    api_key_entry.name AS api_key_name,
    u.user_id,
    user_entry.name AS user_name,
    user_entry.email AS user_email,
    u.model,
    u.service_tier,
    u.batch,
    u.api_source,
    u.vector_store_id,
    u.size,
    u.source,
    u.context_level,
    u.input_tokens,
    u.output_tokens,
    u.input_cached_tokens,
    u.input_uncached_tokens,
    u.input_cache_write_tokens,
    u.input_cache_write_30m_tokens,
    u.input_cache_write_12h_tokens,
    u.input_text_tokens,
    u.output_text_tokens,
    u.input_cached_text_tokens,
    u.input_audio_tokens,
    u.input_cached_audio_tokens,
    u.output_audio_tokens,
    u.input_image_tokens,
    u.input_cached_image_tokens,
    u.output_image_tokens,
    u.num_model_requests,
    u.images,
    u.characters,
    u.seconds,
    u.usage_bytes,
    u.num_sessions,
    u.num_requests
FROM (
    SELECT e.account_id, e.endpoint, best.day_start, best.width_seconds,
        e.project_id, e.api_key_id, e.user_id, e.model, e.service_tier, e.batch,
        e.api_source, e.vector_store_id, e.size, e.source, e.context_level,
        sum(e.input_tokens) AS input_tokens,
        sum(e.output_tokens) AS output_tokens,
        sum(e.input_cached_tokens) AS input_cached_tokens,
        sum(e.input_uncached_tokens) AS input_uncached_tokens,
        sum(e.input_cache_write_tokens) AS input_cache_write_tokens,
        sum(e.input_cache_write_30m_tokens) AS input_cache_write_30m_tokens,
        sum(e.input_cache_write_12h_tokens) AS input_cache_write_12h_tokens,
        sum(e.input_text_tokens) AS input_text_tokens,
        sum(e.output_text_tokens) AS output_text_tokens,
        sum(e.input_cached_text_tokens) AS input_cached_text_tokens,
        sum(e.input_audio_tokens) AS input_audio_tokens,
        sum(e.input_cached_audio_tokens) AS input_cached_audio_tokens,
        sum(e.output_audio_tokens) AS output_audio_tokens,
        sum(e.input_image_tokens) AS input_image_tokens,
        sum(e.input_cached_image_tokens) AS input_cached_image_tokens,
        sum(e.output_image_tokens) AS output_image_tokens,
        sum(e.num_model_requests) AS num_model_requests,
        sum(e.images) AS images,
        sum(e.characters) AS characters,
        sum(e.seconds) AS seconds,
        sum(e.usage_bytes) AS usage_bytes,
        sum(e.num_sessions) AS num_sessions,
        sum(e.num_requests) AS num_requests
    FROM usage_events e
    JOIN usage_best_width best
        ON best.account_id = e.account_id AND best.endpoint = e.endpoint
        AND best.day_start = e.window_start - e.window_start % 86400
        AND best.width_seconds = e.window_end - e.window_start
    GROUP BY e.account_id, e.endpoint, best.day_start, best.width_seconds,
        e.project_id, e.api_key_id, e.user_id, e.model, e.service_tier, e.batch,
        e.api_source, e.vector_store_id, e.size, e.source, e.context_level
) AS u
JOIN accounts a ON a.id = u.account_id
LEFT JOIN directory_names project_entry
    ON project_entry.account_id = u.account_id AND project_entry.kind = 'project' AND project_entry.id = u.project_id
LEFT JOIN directory_names api_key_entry
    ON api_key_entry.account_id = u.account_id AND api_key_entry.kind = 'api_key' AND api_key_entry.id = u.api_key_id
LEFT JOIN directory_names user_entry
    ON user_entry.account_id = u.account_id AND user_entry.kind = 'user' AND user_entry.id = u.user_id;

CREATE VIEW coverage_daily AS
SELECT
    date(c.window_start - c.window_start % 86400, 'unixepoch') AS day,
    a.provider,
    a.organization,
    c.endpoint,
    CASE c.width_seconds WHEN 86400 THEN '1d' WHEN 3600 THEN '1h' WHEN 60 THEN '1m' ELSE CAST(c.width_seconds AS TEXT) || 's' END AS width,
    CASE c.project_filter WHEN '' THEN 'all' ELSE c.project_filter END AS project_filter,
    count(*) AS windows,
    86400 / c.width_seconds AS windows_a_day,
    CASE WHEN best.width_seconds = c.width_seconds THEN 'yes' ELSE 'no' END AS in_usage_daily,
    CASE min(CASE c.state WHEN 'open' THEN 0 WHEN 'provisional' THEN 1 ELSE 2 END)
        WHEN 0 THEN 'open' WHEN 1 THEN 'provisional' ELSE 'settled' END AS state,
    substr(
        CASE WHEN min((c.grouped_by >> 0) & 1) = 1 THEN ',project_id' ELSE '' END
        || CASE WHEN min((c.grouped_by >> 1) & 1) = 1 THEN ',api_key_id' ELSE '' END
        || CASE WHEN min((c.grouped_by >> 2) & 1) = 1 THEN ',user_id' ELSE '' END
        || CASE WHEN min((c.grouped_by >> 3) & 1) = 1 THEN ',model' ELSE '' END
        || CASE WHEN min((c.grouped_by >> 4) & 1) = 1 THEN ',service_tier' ELSE '' END
        || CASE WHEN min((c.grouped_by >> 5) & 1) = 1 THEN ',batch' ELSE '' END
        || CASE WHEN min((c.grouped_by >> 6) & 1) = 1 THEN ',api_source' ELSE '' END
        || CASE WHEN min((c.grouped_by >> 7) & 1) = 1 THEN ',vector_store_id' ELSE '' END
        || CASE WHEN min((c.grouped_by >> 8) & 1) = 1 THEN ',size' ELSE '' END
        || CASE WHEN min((c.grouped_by >> 9) & 1) = 1 THEN ',source' ELSE '' END
        || CASE WHEN min((c.grouped_by >> 10) & 1) = 1 THEN ',context_level' ELSE '' END,
        2
    ) AS grouped_by,
    CAST(sum(c.event_count) AS INTEGER) AS event_count,
    strftime('%Y-%m-%dT%H:%M:%SZ', min(c.read_started_at), 'unixepoch') AS read_at,
    max(c.run_id) AS run_id
FROM usage_coverage c
JOIN accounts a ON a.id = c.account_id
JOIN usage_best_width best
    ON best.account_id = c.account_id AND best.endpoint = c.endpoint
    AND best.day_start = c.window_start - c.window_start % 86400
GROUP BY c.account_id, a.provider, a.organization, c.endpoint, c.width_seconds, c.project_filter,
    c.window_start - c.window_start % 86400, best.width_seconds;
