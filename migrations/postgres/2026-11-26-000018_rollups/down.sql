DROP TRIGGER usage_coverage_stale ON usage_coverage;
DROP TRIGGER usage_events_stale ON usage_events;
DROP FUNCTION usage_mark_stale_day();
DROP TABLE usage_stale_days;
DROP TABLE usage_rollups;
DROP TABLE usage_days;
