DROP VIEW coverage_daily;
DROP VIEW usage_daily;
DROP VIEW usage_best_width;
