DROP TABLE leases;
DROP TABLE directory_names;
DROP TABLE runs;
DROP TABLE usage_coverage;
DROP TABLE usage_revisions;
DROP TABLE usage_events;
DROP TABLE provider_keys;
DROP TABLE accounts;
