DROP TABLE data_versions;
DROP TABLE api_tokens;
