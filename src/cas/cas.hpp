#pragma once
// A plain HTTP cache: /cas/CACHE/KEY, as ccache's and Bazel's HTTP storage speak it, and as much of WebDAV (RFC 4918)
// as sccache's does. Each cache is a repository of kind 'cas', made by its first entry and kept below a bound: the
// least recently used entries go first.

#include "access/access.hpp"
#include "base/metrics.hpp"
#include "cas/options.hpp"
#include "catalog/keep.hpp"
#include "catalog/push.hpp"
#include "http/message.hpp"

#include <mutex>
#include <unordered_map>

namespace slipway::cas {

/// "ccache", "bazel-main": a repository name of one part. At most 128 bytes.
bool is_cache_name(std::string_view name);

/// What follows the cache's name, its parts joined by '/': at most 512 bytes of printable ASCII, no part empty.
std::optional<std::string> key_of(const http::Target& target);

/// Safe to call from any thread. Everything it is given outlives it.
class Caches {
public:
  Caches(catalog::Catalog& catalog, blob::BlobStore& store, std::string store_id, access::Access& access,
         const Clock& clock, Metrics& metrics, CacheOptions options);
  /// Tells the catalog when entries were read last.
  ~Caches();

  /// Answers everything below /cas.
  http::Answer handle(http::Request& request);

private:
  friend class EntrySink;

  std::optional<http::Response> check(http::Request& request, access::Action action, const std::string& cache);
  http::Response get(const http::Request& request, const std::string& cache, const std::string& key);
  http::Answer put(http::Request& request, const std::string& cache, const std::string& key);
  /// A PROPFIND of a path that ends in '/': WebDAV clients make a file's folders before the file, and stop where one is
  /// there already. Every folder is, since keys need none.
  http::Response describe_folder(http::Request& request, const std::string& cache);
  http::Response remove(const http::Request& request, const std::string& cache, const std::string& key);
  Result<> keep(catalog::Push& push, const std::string& cache, const std::string& key, const Digest& digest);
  /// Evicts until the cache is within its bound.
  Result<> make_room(const std::string& cache);
  /// Remembers a read; a batch of them is one write.
  void used(const std::string& cache, const std::string& key);
  void tell_uses(std::unordered_map<std::string, catalog::Catalog::Use> uses);

  catalog::Catalog& m_catalog;
  blob::BlobStore& m_store;
  const std::string m_store_id;
  access::Access& m_access;
  const Clock& m_clock;
  const CacheOptions m_options;
  Counter& m_hits;
  Counter& m_misses;
  Counter& m_evicted;

  std::mutex m_mutex;  // guards the two below
  std::unordered_map<std::string, catalog::Catalog::Use> m_uses;
  Timestamp m_told_at;
};

}  // namespace slipway::cas
