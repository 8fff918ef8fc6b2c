#include "blob/packs.hpp"

#include "base/random.hpp"
#include "blob/pack_format.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace slipway::blob {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t batch_bytes_max = 1U << 20;
constexpr std::size_t open_max = 256;

}  // namespace

// ---- writing

Result<std::vector<Location>> Packs::put(std::span<const SmallBlob> blobs) {
  Waiting self{blobs, {}};
  std::unique_lock lock(m_mutex);
  m_waiting.push_back(&self);
  while (!self.done) {
    if (m_is_writing) {
      m_turn.wait(lock);
      continue;
    }
    m_is_writing = true;
    const auto batch = take_batch();
    lock.unlock();
    write(batch);
    lock.lock();
    m_is_writing = false;
    m_current_key = m_current.key;
    for (auto* one : batch) one->done = true;
    m_turn.notify_all();
  }
  return std::move(self.result);
}

std::vector<Packs::Waiting*> Packs::take_batch() {
  std::vector<Waiting*> batch;
  for (std::size_t bytes = 0; !m_waiting.empty() && (batch.empty() || bytes < batch_bytes_max);) {
    batch.push_back(m_waiting.front());
    m_waiting.pop_front();
    for (const auto& blob : batch.back()->blobs) bytes += pack_header_bytes + blob.bytes.size();
  }
  return batch;
}

void Packs::write(const std::vector<Waiting*>& batch) {
  std::string bytes;
  for (auto* one : batch) {
    std::vector<Location> locations;
    for (const auto& blob : one->blobs) {
      const auto offset = append_packed(bytes, blob);  // moved below
      locations.push_back({blob.id, LocationKind::pack, {}, {offset, blob.bytes.size()}});
    }
    one->result = std::move(locations);
  }
  if (bytes.empty()) return;
  const auto written = append(as_bytes(bytes));
  if (!written) {
    give_up_pack();
    for (auto* one : batch) one->result = std::unexpected(written.error());
    return;
  }
  for (auto* one : batch)
    for (auto& location : *one->result) {
      location.key = m_current.key;
      location.range.offset += m_current.size;
    }
  m_current.size += bytes.size();
}

/// Makes bytes durable at the end of the current pack, or of a new one.
Result<> Packs::append(ByteView bytes) {
  if (!m_current.file || m_current.size >= m_bytes_max) TRY(begin_pack());
  TRY(write_all(m_current.file->get(), bytes, m_current.size));
  return flush_file(m_current.file->get());
}

Result<> Packs::begin_pack() {
  m_current = {};
  const auto key = "packs/" + random_hex(8);
  TRY_ASSIGN(auto file, open_file(m_store / key, O_RDWR | O_CREAT | O_EXCL));
  m_current = {key, std::make_shared<const Fd>(std::move(file)), pack_magic.size()};
  {
    const std::lock_guard lock(m_mutex);
    m_current_key = key;
  }
  TRY(write_all(m_current.file->get(), as_bytes(pack_magic), 0));
  TRY(sync_directory(m_store / "packs"));
  remember(key, {m_current.file, 0});
  return {};
}

/// After a failure. What a failed flush left in the page cache says nothing about the disk, so nothing is added to this
/// pack any more; what was flushed before is as good as ever.
void Packs::give_up_pack() {
  if (m_current.file && m_current.size == pack_magic.size())
    static_cast<void>(remove(m_current.key));
  else if (m_current.file)
    static_cast<void>(truncate_file(m_current.file->get(), m_current.size));
  m_current = {};
}

// ---- reading

Result<OpenFile> Packs::open(const std::string& key, std::uint64_t end) {
  OpenFile out;
  {
    const std::lock_guard lock(m_open_mutex);
    if (const auto known = m_open.find(key); known != m_open.end()) out = known->second;
  }
  if (out.file && out.size >= end && end > 0) return out;
  if (!out.file) {
    TRY_ASSIGN(auto file, open_file(m_store / key, O_RDONLY));
    out.file = std::make_shared<const Fd>(std::move(file));
  }
  TRY_ASSIGN(out.size, size_of(*out.file));
  remember(key, out);
  return out;
}

void Packs::remember(const std::string& key, OpenFile opened) {
  const std::lock_guard lock(m_open_mutex);
  if (m_open.size() >= open_max) m_open.clear();  // who reads has a share of the file
  m_open.insert_or_assign(key, std::move(opened));
}

Result<std::optional<std::uint64_t>> Packs::sealed_size(const std::string& key) {
  {
    const std::lock_guard lock(m_mutex);
    if (key == m_current_key) return std::nullopt;
  }
  TRY_ASSIGN(const auto opened, open(key));
  return opened.size;
}

Result<> Packs::remove(const std::string& key) {
  const auto path = m_store / key;
  if (::unlink(path.c_str()) < 0 && errno != ENOENT) return fail_errno(errno, "removing " + path.string());
  forget(key);
  return sync_directory(path.parent_path());
}

void Packs::forget(const std::string& key) {
  const std::lock_guard lock(m_open_mutex);
  m_open.erase(key);
}

Result<> Packs::list(const std::function<void(const Location&)>& each) {
  std::error_code error;
  for (fs::directory_iterator at(m_store / "packs", error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;  // removed since it was listed
    const auto size = at->file_size(gone);
    if (!gone) each({LocationId{}, LocationKind::old_pack, "packs/" + at->path().filename().string(), {0, size}});
  }
  if (error) return fail_errno(error.value(), "listing " + m_store.string());
  return {};
}

}  // namespace slipway::blob
