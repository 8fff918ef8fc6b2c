#pragma once
// What a load client can do, many at once. Each workload returns when its limits are reached and everybody has ended,
// or throws LoadError as soon as one client met something unexpected.

#include "connection.hpp"

#include <memory>
#include <vector>

namespace bench {

/// When to stop. 0: no such limit; at least one of the two is needed.
struct Limits {
  std::size_t clients = 1;
  double seconds = 0;
  std::uint64_t count = 0;
};

struct Figures {
  std::vector<float> latencies_ms;   ///< of whole operations, sorted
  std::vector<float> waits_ms;       ///< of pushes, from the last byte sent to its answer, sorted
  std::vector<std::string> digests;  ///< of what was pushed
  std::uint64_t bytes = 0;           ///< of contents, either way
  double seconds = 0;                ///< from when all were connected until the last one ended
};
double quantile(const std::vector<float>& sorted, double share);

/// Any number of different contents of one size from one buffer: they differ in their last sixteen bytes, so the hash
/// state before these is computed once and a new digest costs a microsecond, however long the content is.
class Blob {
public:
  explicit Blob(std::size_t size);
  ~Blob();

  struct Content {
    std::string tail;
    std::string digest;
  };
  Content make(std::uint64_t number) const;
  std::string_view shared() const { return m_shared; }
  std::size_t size() const;

private:
  struct HashState;
  std::string m_shared;
  std::string m_salt;  // of this run, so that a second run never sends a first one's contents
  std::unique_ptr<HashState> m_state;
};

enum class Style {
  monolithic,  ///< POST, then everything in one PUT: what most clients do
  chunked,     ///< POST, PATCHes, PUT
  file,        ///< one PUT to a path, as WebDAV has it
};
Style push_style(std::string_view name);

/// `path` is where uploads start (or, for files, the folder they go to).
Figures push(const Place& place, const Limits& limits, const Blob& blob, const std::string& path, Style style,
             std::size_t pieces);

/// Numbered documents. ######## is replaced in path and body; an operation is one PUT.
struct Numbered {
  std::string path, body, type;
  std::uint64_t from = 0;
};
Figures put(const Place& place, const Limits& limits, const Numbered& documents);

/// GETs the paths in turn, or asks for their heads. Who is sent elsewhere (307) goes there, on one connection a place.
Figures get(const Place& place, const Limits& limits, const std::vector<std::string>& paths, const std::string& method,
            const std::string& accept);

}  // namespace bench
