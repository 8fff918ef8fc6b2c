#pragma once
// Publishes a folder: hashes it, asks which of it are missing, sends those, and moves a channel to what came of it. The
// order is what makes an interruption harmless: files, then shards, then the index, which moves the channel; and what
// is there is not sent again.

#include "publish/hashing.hpp"
#include "publish/registry_client.hpp"

namespace slipway::publish {

struct PublishProgress {
  std::uint64_t files = 0;  ///< hashed
  std::uint64_t bytes = 0;  ///< theirs
};

struct PublishOptions {
  std::string channel;
  std::vector<std::string> exclude;  ///< as SourceFolder has them
  unsigned jobs = 8;                 ///< requests at a time
  bool check_all = false;            ///< ask for everything, also for what the channel has already
  FileCache* cache = nullptr;
  std::optional<Digest> unless = std::nullopt;  ///< leave the channel where it is if this is what it would be moved to
  /// These are not called at the same time twice.
  std::function<void(const PublishProgress&)> on_progress = [](const PublishProgress&) {};
  std::function<void(const std::string& sentence)> on_warning = [](const std::string&) {};
};

struct PublishReport {
  Digest digest;               ///< of the snapshot
  std::optional<Digest> from;  ///< where the channel was
  bool moved = false;          ///< else it was there already
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

/// Failure::invalid, naming the path, for what cannot be published; conflict where a file changed while it was read, or
/// somebody else moved the channel; else what the client fails with. The channel moves at the very end or not at all.
/// Holds a few thousand files' names, one folder's entries, and some 1 MiB a job, however large the whole is.
Result<PublishReport> publish_folder(const std::filesystem::path& folder, RegistryClient& client,
                                     const PublishOptions& options);

}  // namespace slipway::publish
