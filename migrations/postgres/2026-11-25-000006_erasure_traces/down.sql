DROP TABLE erasure_traces;
