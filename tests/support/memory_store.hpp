#pragma once
// A BlobStore in memory, for tests that want one quickly. Keeps every promise of blob/store.hpp but durability.

#include "blob/store.hpp"

#include <map>
#include <memory>
#include <mutex>

namespace slipway::test {

/// What outlives a process that uses a MemoryStore: give it to a second one to play a restart.
struct MemoryDisk {
  std::mutex mutex;  // guards all below
  std::string identity = "0123456789abcdef0123456789abcdef";
  std::map<blob::LocationId, std::string> finished;
  std::map<blob::LocationId, std::string> suspended;
};

/// Safe to call from any thread.
class MemoryStore final : public blob::BlobStore {
public:
  MemoryStore() : MemoryStore(std::make_shared<MemoryDisk>()) {}
  explicit MemoryStore(std::shared_ptr<MemoryDisk> disk) : m_disk(std::move(disk)) {}

  Result<FileSlice> open(const blob::Location& location, ByteRange range) override;
  Result<std::unique_ptr<blob::Upload>> begin(blob::LocationId id, bool resumable) override;
  Result<std::unique_ptr<blob::Upload>> resume(blob::LocationId id, const blob::ResumeToken& token,
                                               blob::Predecessor predecessor) override;
  Result<std::unique_ptr<blob::Upload>> begin_copy(const blob::Location& location) override;
  Result<std::vector<blob::Location>> put_small(std::span<const blob::SmallBlob> blobs) override;
  Result<std::optional<std::uint64_t>> sealed_size(const std::string& pack) override;
  Result<> remove(const blob::Location& location) override;
  Result<std::string> identity() override;
  Result<bool> is_empty() override { return locations() == 0; }
  Result<blob::LocationId> highest(blob::LocationId from) override;
  bool is_finished(blob::LocationId id) override;
  Result<blob::Space> space() override;
  Result<> list(const std::function<void(const blob::Location&)>& each) override;

  /// How many uploads wait to be resumed: what a test counts to find leaks.
  std::size_t suspended_uploads() const;
  std::size_t locations() const;

private:
  const std::shared_ptr<MemoryDisk> m_disk;
};

}  // namespace slipway::test
