#include "support/memory_store.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <sys/mman.h>

namespace slipway::test {
namespace {

using blob::Location;
using blob::LocationId;

Location raw(LocationId id, std::uint64_t size) {
  return {id, blob::LocationKind::raw, "memory/" + std::to_string(blob::number_of(id)), {0, size}};
}

class MemoryUpload final : public blob::Upload {
public:
  MemoryUpload(std::shared_ptr<MemoryDisk> disk, LocationId id, bool resumable, std::string bytes)
      : m_disk(std::move(disk)), m_id(id), m_resumable(resumable), m_bytes(std::move(bytes)) {}

  std::uint64_t position() const override { return m_bytes.size(); }

  Result<> write(ByteView bytes) override {
    m_bytes.append(as_text(bytes));
    return {};
  }

  Result<blob::ResumeToken> suspend() override {
    SLIPWAY_INVARIANT(m_resumable);
    const std::lock_guard lock(m_disk->mutex);
    m_disk->suspended[m_id] = m_bytes;
    return "memory " + std::to_string(m_bytes.size());
  }

  Result<std::size_t> read(std::span<std::byte> out, std::uint64_t offset) override {
    const auto begin = std::min<std::uint64_t>(offset, m_bytes.size());
    const auto size = std::min<std::uint64_t>(out.size(), m_bytes.size() - begin);
    std::memcpy(out.data(), m_bytes.data() + begin, size);
    return size;
  }

  Result<Location> finish() override {
    const auto size = m_bytes.size();
    const std::lock_guard lock(m_disk->mutex);
    m_disk->suspended.erase(m_id);
    m_disk->finished[m_id] = std::move(m_bytes);
    return raw(m_id, size);
  }

  Result<> abandon() override {
    const std::lock_guard lock(m_disk->mutex);
    m_disk->suspended.erase(m_id);
    return {};
  }

private:
  const std::shared_ptr<MemoryDisk> m_disk;
  const LocationId m_id;
  const bool m_resumable;
  std::string m_bytes;
};

/// Bytes as a file that lies nowhere.
Result<std::shared_ptr<const Fd>> file_of(std::string_view bytes) {
  Fd file(::memfd_create("memory-store", MFD_CLOEXEC));
  if (!file) return fail_errno(errno, "making a file in memory");
  TRY(write_all(file.get(), as_bytes(bytes), 0));
  return std::make_shared<const Fd>(std::move(file));
}

}  // namespace

Result<FileSlice> MemoryStore::open(const Location& location, ByteRange range) {
  const std::lock_guard lock(m_disk->mutex);
  const auto found = m_disk->finished.find(location.id);
  if (found == m_disk->finished.end()) return fail(Failure::not_found, "no location " + location.key);
  const auto begin = location.range.offset + range.offset;
  if (found->second.size() < begin + range.length) return fail(Failure::corrupt, location.key + " is too short");
  TRY_ASSIGN(auto file, file_of(found->second));
  return FileSlice{std::move(file), {begin, range.length}};
}

Result<std::unique_ptr<blob::Upload>> MemoryStore::begin(LocationId id, bool resumable) {
  const std::lock_guard lock(m_disk->mutex);
  m_disk->suspended.erase(id);
  return std::make_unique<MemoryUpload>(m_disk, id, resumable, std::string());
}

Result<std::unique_ptr<blob::Upload>> MemoryStore::resume(LocationId id, const blob::ResumeToken& token,
                                                          blob::Predecessor) {
  constexpr std::string_view prefix = "memory ";
  std::size_t position = 0;
  const auto* end = token.data() + token.size();
  if (!token.starts_with(prefix) || std::from_chars(token.data() + prefix.size(), end, position).ptr != end)
    return fail(Failure::corrupt, "an upload's resume token cannot be read");
  const std::lock_guard lock(m_disk->mutex);
  auto found = m_disk->suspended.find(id);
  if (auto finished = m_disk->finished.extract(id); found == m_disk->suspended.end() && finished)
    found = m_disk->suspended.emplace(id, std::move(finished.mapped())).first;
  if (found == m_disk->suspended.end()) return fail(Failure::not_found, "no such upload");
  if (found->second.size() < position) return fail(Failure::corrupt, "an upload is shorter than was acknowledged");
  return std::make_unique<MemoryUpload>(m_disk, id, true, found->second.substr(0, position));
}

Result<std::unique_ptr<blob::Upload>> MemoryStore::begin_copy(const Location& location) {
  if (location.kind != blob::LocationKind::raw) return fail(Failure::invalid, "there are no packs here");
  return begin(location.id, false);
}

Result<std::vector<Location>> MemoryStore::put_small(std::span<const blob::SmallBlob> blobs) {
  const std::lock_guard lock(m_disk->mutex);
  std::vector<Location> locations;
  for (const auto& blob : blobs) {
    m_disk->finished[blob.id] = as_text(blob.bytes);
    locations.push_back(raw(blob.id, blob.bytes.size()));
  }
  return locations;
}

Result<std::optional<std::uint64_t>> MemoryStore::sealed_size(const std::string& pack) {
  return fail(Failure::not_found, "no pack " + pack);
}

Result<> MemoryStore::remove(const Location& location) {
  const std::lock_guard lock(m_disk->mutex);
  if (location.kind == blob::LocationKind::upload) m_disk->suspended.erase(location.id);
  m_disk->finished.erase(location.id);
  return {};
}

Result<std::string> MemoryStore::identity() { return m_disk->identity; }

Result<LocationId> MemoryStore::highest(LocationId) {
  const std::lock_guard lock(m_disk->mutex);
  LocationId out{};
  for (const auto& [id, bytes] : m_disk->finished) out = std::max(out, id);
  for (const auto& [id, bytes] : m_disk->suspended) out = std::max(out, id);
  return out;
}

bool MemoryStore::is_finished(LocationId id) {
  const std::lock_guard lock(m_disk->mutex);
  return m_disk->finished.contains(id);
}

Result<blob::Space> MemoryStore::space() { return blob::Space{1ULL << 40, 1ULL << 41}; }

Result<> MemoryStore::list(const std::function<void(const Location&)>& each) {
  const std::lock_guard lock(m_disk->mutex);
  for (const auto& [id, bytes] : m_disk->finished) each(raw(id, bytes.size()));
  for (const auto& [id, bytes] : m_disk->suspended) each({id, blob::LocationKind::upload, {}, {0, bytes.size()}});
  return {};
}

std::size_t MemoryStore::suspended_uploads() const {
  const std::lock_guard lock(m_disk->mutex);
  return m_disk->suspended.size();
}

std::size_t MemoryStore::locations() const {
  const std::lock_guard lock(m_disk->mutex);
  return m_disk->finished.size();
}

}  // namespace slipway::test
