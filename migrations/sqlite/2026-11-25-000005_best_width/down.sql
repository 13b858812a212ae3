DROP VIEW usage_best_width;
CREATE VIEW usage_best_width AS
SELECT account_id, endpoint, day_start, width_seconds
FROM (
    SELECT account_id, endpoint, day_start, width_seconds,
        row_number() OVER (
            PARTITION BY account_id, endpoint, day_start
            ORDER BY every_project DESC, covered_seconds DESC, width_seconds DESC
        ) AS place
    FROM (
        SELECT account_id, endpoint, window_start - window_start % 86400 AS day_start, width_seconds,
            CASE WHEN project_filter = '' THEN 1 ELSE 0 END AS every_project,
            count(DISTINCT window_start) * width_seconds AS covered_seconds
        FROM usage_coverage
        GROUP BY account_id, endpoint, window_start - window_start % 86400, width_seconds,
            CASE WHEN project_filter = '' THEN 1 ELSE 0 END
        UNION ALL
        -- The first condition does not depend on the row: a ledger without imports is not searched.
        SELECT DISTINCT e.account_id, e.endpoint, e.window_start - e.window_start % 86400 AS day_start,
            e.window_end - e.window_start AS width_seconds, -1 AS every_project, 0 AS covered_seconds
        FROM usage_events e
        WHERE EXISTS (SELECT 1 FROM runs r WHERE r.kind = 'import')
            AND NOT EXISTS (
                SELECT 1 FROM usage_coverage c
                WHERE c.account_id = e.account_id AND c.endpoint = e.endpoint
                    AND c.width_seconds = e.window_end - e.window_start AND c.window_start = e.window_start
            )
    ) AS reads
) AS ranked
WHERE place = 1;
