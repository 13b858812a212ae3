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
    ) AS reads
) AS ranked
WHERE place = 1;
