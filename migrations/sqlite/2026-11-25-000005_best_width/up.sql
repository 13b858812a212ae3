-- Which width stands for an account, endpoint and UTC day: a read of every project before one of some, then the one that
-- covers more of the day, then the wider one. A window that was read before it ended covers the day up to that read only,
-- so that a day read once while it was running does not stand for it when all its hours were read later. Last come
-- imported windows that nobody read.
DROP VIEW usage_best_width;
CREATE VIEW usage_best_width AS
SELECT account_id, endpoint, day_start, width_seconds
FROM (
    SELECT account_id, endpoint, day_start, width_seconds,
        row_number() OVER (
            PARTITION BY account_id, endpoint, day_start
            ORDER BY every_project DESC, sum(covered_seconds) DESC, width_seconds DESC
        ) AS place
    FROM (
        SELECT account_id, endpoint, window_start - window_start % 86400 AS day_start, width_seconds,
            CASE WHEN project_filter = '' THEN 1 ELSE 0 END AS every_project,
            max(CASE
                WHEN read_started_at < window_start + width_seconds THEN read_started_at - window_start
                ELSE width_seconds
            END) AS covered_seconds
        FROM usage_coverage
        GROUP BY account_id, endpoint, window_start, width_seconds,
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
    ) AS windows
    GROUP BY account_id, endpoint, day_start, width_seconds, every_project
) AS ranked
WHERE place = 1;
