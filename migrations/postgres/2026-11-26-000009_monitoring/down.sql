DROP INDEX cost_restatements_idx;
DROP INDEX usage_restatements_idx;
