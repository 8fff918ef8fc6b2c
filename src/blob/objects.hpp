#pragma once
// Objects with names of their own, beside the blobs: a place for what must lie in the store although no row of the
// catalog can know it, such as the journal from which the catalog is rebuilt.

#include "base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::blob {

struct NamedObject {
  std::string name;
  std::uint64_t size = 0;  ///< bytes
};

/// Names are lower-case letters, digits, dots and dashes, at most 200 of them. Safe to call from any thread.
class Objects {
public:
  virtual ~Objects() = default;
  /// Puts an object, or replaces it, as one durable step: after a crash it is there whole, or not at all.
  virtual Result<> put(const std::string& name, std::string_view bytes) = 0;
  /// All of it. not_found where there is none, too_large past object_bytes_max.
  virtual Result<std::string> get(const std::string& name) = 0;
  /// Removing an absent one succeeds. Not durable: one may come back after a crash.
  virtual Result<> remove(const std::string& name) = 0;
  /// All of them, in byte order.
  virtual Result<std::vector<NamedObject>> list() = 0;
};
constexpr std::size_t object_bytes_max = 256U << 20;

/// Files of a directory, which is made by the first put().
class FileObjects final : public Objects {
public:
  explicit FileObjects(std::filesystem::path directory) : m_directory(std::move(directory)) {}
  Result<> put(const std::string& name, std::string_view bytes) override;
  Result<std::string> get(const std::string& name) override;
  Result<> remove(const std::string& name) override;
  Result<std::vector<NamedObject>> list() override;

private:
  const std::filesystem::path m_directory;
};

}  // namespace slipway::blob
