// The load client of the benchmarks: threads that each hold a connection, and figures about what they saw, as JSON.
//
//   bench_client push PORT --path PATH --style monolithic|chunked|file --bytes N [--pieces N]
//                          [--digests FILE]: gets what was pushed, a line each
//   bench_client put  PORT --path TEMPLATE --body TEMPLATE --type MEDIA_TYPE --from N --count N
//   bench_client get  PORT --paths FILE [--accept MEDIA_TYPE] [--method HEAD]
//
// All: --clients N, and when to stop: --seconds S, --count N, or whichever comes first. `push` sends a blob of its own
// each time; `put` replaces ######## in its templates by a number; `get` goes through the lines of FILE, once or, where
// there is time, again and again. bench/load.py is who calls it.

#include "workloads.hpp"

#include <cstdio>
#include <fstream>
#include <map>

namespace {

using namespace bench;

class Arguments {
public:
  Arguments(int count, char** words) {
    for (int i = 3; i + 1 < count; i += 2) {
      const std::string name = words[i];
      if (!name.starts_with("--")) throw LoadError("not a flag: " + name);
      m_values[name.substr(2)] = words[i + 1];
    }
  }
  std::string text(const std::string& name, const std::string& otherwise = {}) const {
    const auto found = m_values.find(name);
    return found == m_values.end() ? otherwise : found->second;
  }
  std::uint64_t number(const std::string& name, std::uint64_t otherwise) const {
    const auto found = m_values.find(name);
    return found == m_values.end() ? otherwise : std::stoull(found->second);
  }
  double decimal(const std::string& name, double otherwise) const {
    const auto found = m_values.find(name);
    return found == m_values.end() ? otherwise : std::stod(found->second);
  }

private:
  std::map<std::string, std::string> m_values;
};

std::vector<std::string> lines_of(const std::string& file) {
  std::ifstream stream(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);)
    if (!line.empty()) lines.push_back(line);
  if (lines.empty()) throw LoadError("no paths in " + file);
  return lines;
}

Figures run(const std::string& workload, const Place& place, const Arguments& arguments) {
  Limits limits{.clients = arguments.number("clients", 1),
                .seconds = arguments.decimal("seconds", 0),
                .count = arguments.number("count", 0)};
  if (workload == "push") {
    const Blob blob(arguments.number("bytes", 0));
    const auto style = push_style(arguments.text("style", "monolithic"));
    return push(place, limits, blob, arguments.text("path"), style, arguments.number("pieces", 1));
  }
  if (workload == "put")
    return put(place, limits,
               {.path = arguments.text("path"),
                .body = arguments.text("body"),
                .type = arguments.text("type"),
                .from = arguments.number("from", 0)});
  if (workload == "get") {
    const auto paths = lines_of(arguments.text("paths"));
    if (limits.seconds == 0 && limits.count == 0) limits.count = paths.size();
    return get(place, limits, paths, arguments.text("method", "GET"), arguments.text("accept", "*/*"));
  }
  throw LoadError("no such workload: " + workload);
}

}  // namespace

int main(int count, char** words) {
  try {
    if (count < 3) throw LoadError("usage: bench_client push|put|get PORT [--flag value]...");
    const Place place{.port = static_cast<std::uint16_t>(std::stoul(words[2]))};
    const Arguments arguments(count, words);
    const auto seen = run(words[1], place, arguments);
    if (const auto file = arguments.text("digests"); !file.empty()) {
      std::ofstream stream(file);
      for (const auto& digest : seen.digests) stream << digest << '\n';
    }
    std::printf("{\"requests\": %zu, \"bytes\": %llu, \"seconds\": %.6f, "
                "\"latency_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}, \"wait_ms\": %.3f}\n",
                seen.latencies_ms.size(), static_cast<unsigned long long>(seen.bytes), seen.seconds,
                quantile(seen.latencies_ms, 0.5), quantile(seen.latencies_ms, 0.99), quantile(seen.latencies_ms, 1),
                quantile(seen.waits_ms, 0.5));
    return 0;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "bench_client: %s\n", problem.what());
    return 1;
  }
}
