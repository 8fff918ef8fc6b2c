#pragma once
// One pass from a git repository to a channel: fetches its newest commit, applies what changed to the tree that is
// published, and moves the channel. The order is what makes an interruption harmless: a reader sees the snapshot of one
// commit or of the next, and a pass that is begun again goes on with what is there.

#include "base/clock.hpp"
#include "publish/registry_client.hpp"
#include "publish/tree_edit.hpp"
#include "upstream/git.hpp"

namespace slipway::opam {

/// Of an opam tree's index: the commit, where it came from, and when it was committed (RFC 3339).
inline constexpr const char* commit_annotation = "org.opencontainers.image.revision";
inline constexpr const char* source_annotation = "org.opencontainers.image.source";
inline constexpr const char* time_annotation = "org.opencontainers.image.created";

/// Something of a commit that is not published, or not as it is.
struct Finding {
  std::string path;
  std::string problem;  ///< a sentence
};

struct SyncReport {
  std::string commit;
  Digest snapshot;
  bool moved = false;                     ///< else the channel was there already
  std::size_t changes = 0;                ///< files
  std::vector<std::string> looked_at;     ///< paths: those that changed
  std::vector<Finding> findings;          ///< of those, at most 1,000
  std::vector<std::string> new_packages;  ///< "NAME.VERSION": of what an earlier commit is known to lack
  Timestamp committed_at{};               ///< of what was moved to
  /// How long each phase took.
  std::chrono::milliseconds fetching{}, reading{}, publishing{};
};

using OnReady = std::function<Result<>(const SyncReport& report, const publish::Snapshot& snapshot)>;

struct SyncOptions {
  std::string channel = "live";
  std::string source;  ///< of the clone, as it is told to readers
  /// Called with what is about to be published, whose objects are all there; an error ends the pass.
  OnReady on_ready = [](const SyncReport&, const publish::Snapshot&) -> Result<> { return {}; };
  /// Called where a pass has come to: "fetched", "read", "sent", "moved".
  std::function<void(std::string_view phase)> on_phase = [](std::string_view) {};
};

/// What a malformed file replaces stays, and is told; a commit without packages, where there were some, is refused with
/// Failure::invalid, as is a channel that has something else. conflict where somebody else moved the channel meanwhile;
/// else what git and the registry fail with. Clone and client serve nobody else meanwhile.
Result<SyncReport> sync(upstream::GitClone& clone, publish::RegistryClient& client, const SyncOptions& options);

}  // namespace slipway::opam
