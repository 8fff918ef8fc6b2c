#pragma once
// What an opam repository shows besides the files of its tree.
//
//   /index.tar.gz, /index.tar      the packages, as clients fetch them (index_archives.hpp); the plain one also as a
//   delta
//                                  against one that the client has, of a snapshot in the repository's history (RFC
//                                  9842)
//   /cache/sha256/0a/0a1b…         a source that the repository keeps, by any of its checksums (opam's manual, "repo",
//                                  archive-mirrors): no part of a snapshot, and kept when no snapshot names it any more

#include "base/bounded_map.hpp"
#include "opam/index_archives.hpp"
#include "opam/package.hpp"

namespace slipway::opam {

/// Safe to call from any thread. The catalog outlives it.
class RepositoryView final : public publish::View {
public:
  /// Archives lie below `directory`.
  RepositoryView(catalog::Catalog& catalog, std::filesystem::path directory)
      : m_catalog(catalog), m_archives(std::move(directory)), m_pins(pins_max, pins_bytes_max) {}

  using Downloads = std::map<std::string, std::map<std::string, std::uint64_t>>;

  Result<std::optional<publish::Representation>> find(publish::Trees& trees, const publish::OpenTree& tree,
                                                      const publish::ViewRequest& request) override;

  /// How often sources were sent, by repository and digest, and indexes as "index"; from the last call on.
  Downloads take_downloads();

private:
  Result<publish::Representation> find_plain_index(publish::Trees& trees, const publish::OpenTree& tree,
                                                   const publish::ViewRequest& request);
  Result<publish::Representation> find_delta(publish::Trees& trees, const publish::OpenTree& tree,
                                             const publish::ViewRequest& request);
  void count(const std::string& repository, const std::string& name);
  Result<publish::Representation> find_source(publish::Trees& trees, const std::string& repository,
                                              std::string_view path);

  static constexpr std::size_t pins_max = 50'000, pins_bytes_max = 16U << 20;

  struct Pin {
    catalog::NamedBlob blob;
    std::string digest;  ///< its text
    std::string etag;
  };
  Result<std::shared_ptr<const Pin>> find_pin(const std::string& repository, const std::string& key,
                                              const Checksum& checksum);

  catalog::Catalog& m_catalog;
  IndexArchives m_archives;
  std::mutex m_mutex;  // guards what follows
  /// By repository and checksum, where they lay when they were asked for last. A pin stays as long as its repository.
  BoundedMap<std::string, std::shared_ptr<const Pin>> m_pins;
  Downloads m_downloads;
};

/// The checksum of a path below /cache/; nothing where it is not exactly such a path.
std::optional<Checksum> checksum_of_path(std::string_view path);

}  // namespace slipway::opam
