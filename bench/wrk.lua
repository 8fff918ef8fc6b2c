-- Arguments: below which number the random ones are that replace ######## in the path (0: none do); a file of paths,
-- of which each request takes one at random.
-- Prints what wrk counted as one line of JSON. request() is only defined where it is needed, so that other requests
-- cost what they cost without a script.
function init(args)
   local numbers = tonumber(args[1] or 0)
   if numbers > 0 then
      math.randomseed(os.time())
      local before, after = wrk.path:match("^(.-)########(.*)$")
      request = function()
         return wrk.format(nil, before .. string.format("%08d", math.random(0, numbers - 1)) .. after)
      end
   elseif args[2] then
      math.randomseed(os.time())
      local requests = {}
      for path in io.lines(args[2]) do requests[#requests + 1] = wrk.format(nil, path) end
      request = function() return requests[math.random(#requests)] end
   end
end

function done(summary, latency)
   local e = summary.errors
   io.write(string.format(
      'RESULT {"requests": %d, "bytes": %d, "seconds": %.6f, ' ..
      '"latency_ms": {"p50": %.3f, "p99": %.3f, "max": %.3f}, ' ..
      '"errors": {"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}\n',
      summary.requests, summary.bytes, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
      e.connect, e.read, e.write, e.status, e.timeout))
end
