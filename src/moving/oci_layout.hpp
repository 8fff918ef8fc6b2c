#pragma once
// An OCI image layout, written into a directory: oci-layout, blobs/<algorithm>/<hex>, and index.json, which lists what
// is whole. https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
//
// At each moment the directory is the layout that it was before, perhaps with blobs that nothing lists yet: index.json
// comes last.

#include "base/digest.hpp"
#include "base/fd.hpp"

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace slipway::moving {

/// What index.json says of a manifest.
struct LayoutEntry {
  Digest digest;
  std::string media_type;
  std::uint64_t size = 0;
  std::optional<std::string> artifact_type;
  std::string name;  ///< org.opencontainers.image.ref.name; empty: none
};

class OciLayout {
public:
  using Sink = std::function<Result<>(ByteView)>;

  /// Opens the layout in a directory, or begins one where that is empty or missing. Failure::conflict where it holds
  /// something else, busy while another process writes to it, corrupt where its index.json is none.
  static Result<std::unique_ptr<OciLayout>> open(const std::filesystem::path& directory);

  /// There is a file of that digest and size.
  bool has(const Digest& digest, std::uint64_t size) const;
  /// Has `fill` write a blob, whose digest it answers for, and makes it durable. Where that fails, there is none. Safe
  /// to call from any thread.
  Result<> put(const Digest& digest, const std::function<Result<>(const Sink&)>& fill);

  /// Lists a manifest from finish() on: instead of what had its name; without a name, beside all others, once.
  void list(const LayoutEntry& entry);
  /// Everything that was put is durable, and then so is the list.
  Result<> finish();

private:
  OciLayout(std::filesystem::path directory, Fd lock) : m_directory(std::move(directory)), m_lock(std::move(lock)) {}
  Result<> begin();
  Result<> read_index();
  std::filesystem::path path_of(const Digest& digest) const;

  const std::filesystem::path m_directory;
  const Fd m_lock;
  std::atomic<std::uint64_t> m_parts = 0;
  // Descriptors as JSON, by name, and where they have none by digest.
  std::map<std::string, std::string> m_named;
  std::map<std::string, std::string> m_nameless;
};

}  // namespace slipway::moving
