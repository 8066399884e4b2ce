-- Prints for the benchmark: requests, errors, bytes; duration, median and 99th percentile in microseconds.
local body = tonumber(os.getenv("BENCH_BODY"))
if body > 0 then
  wrk.method = "POST"
  wrk.body = string.rep("x", body)
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("\nresult %d %d %d %d %d %d\n", summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout,
    summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99)))
end
