-- Restatements are counted at every scrape, so they must not be looked for among wide rows, least of all among those of the
-- kind repriced, of which there are as many as events. The query has the same condition, word by word.
CREATE INDEX usage_restatements_idx ON usage_revisions (account_id, endpoint, kind)
    WHERE kind IN ('added', 'changed', 'retracted');
CREATE INDEX cost_restatements_idx ON cost_revisions (account_id, endpoint, kind)
    WHERE kind IN ('added', 'changed', 'retracted');
