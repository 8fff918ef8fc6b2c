#include "blob/read_cache.hpp"

#include "base/log.hpp"
#include "base/random.hpp"

#include <algorithm>
#include <condition_variable>
#include <fcntl.h>
#include <map>
#include <unistd.h>

namespace slipway::blob {
namespace {

constexpr std::size_t files_max = 100'000;
constexpr std::uint64_t file_room_min = 4096;     // a block of the file system
constexpr std::uint64_t large_part = 8;           // what is larger than this part of a cache is not kept in it
constexpr std::uint64_t kept_behind = 64U << 20;  // of an unnamed copy: more than any socket may still be sending
constexpr std::uint64_t given_back = 16U << 20;   // at a time
constexpr std::size_t written_at_once = 256U << 10, piece_max = 16U << 10;
const std::string part_suffix = ".part";

std::uint64_t room_of(std::uint64_t size) { return std::max(size, file_room_min); }

}  // namespace

// ---- one copy

/// The file that one object's bytes are brought into. Gone with its last reader unless it is whole by then.
class CachedCopy final : public Filling {
public:
  CachedCopy(std::uint64_t size, std::shared_ptr<const Fd> file, Fetch fetch)
      : m_size(size), m_file(std::move(file)), m_fetch(std::move(fetch)) {}
  ~CachedCopy() override {
    if (m_cache && !m_is_whole) m_cache->settle(m_name, m_part, false);
  }

  /// To be kept, under that name. Without it: the file has none, and is read in one direction.
  void keep_in(ReadCache& cache, std::string name, std::string part) {
    m_cache = &cache;
    m_name = std::move(name);
    m_part = std::move(part);
  }

  const std::shared_ptr<const Fd>& file() const { return m_file; }

  std::uint64_t filled(std::uint64_t offset) const override {
    const std::lock_guard lock(m_mutex);
    return end_of(m_there, offset) - offset;
  }

  using Filling::fill;
  Result<> fill(ByteRange range, const std::function<void()>& progress) override {
    std::unique_lock lock(m_mutex);
    const auto end = range.offset + range.length;
    for (auto at = range.offset; (at = end_of(m_there, at)) < end;) {
      if (end_of(m_coming, at) > at) {  // somebody else brings it; if that fails, we do
        m_changed.wait(lock);
        lock.unlock();
        progress();
        lock.lock();
        continue;
      }
      const auto stop = std::min({end, begin_after(m_there, at), begin_after(m_coming, at)});
      m_coming.emplace(at, stop);
      lock.unlock();
      auto brought = bring({at, stop - at}, progress);
      lock.lock();
      m_coming.erase(at);
      m_changed.notify_all();
      if (!brought) return brought;
    }
    const bool is_whole = !m_is_whole && end_of(m_there, 0) == m_size;
    m_is_whole = m_is_whole || is_whole;
    lock.unlock();
    if (!m_cache)
      give_back(range.offset);
    else if (is_whole)
      settle();
    return {};
  }

private:
  using Stretches = std::map<std::uint64_t, std::uint64_t>;  // begin → end; they do not touch

  /// Where the stretch ends that has this byte; the offset itself where none has.
  static std::uint64_t end_of(const Stretches& stretches, std::uint64_t offset) {
    const auto after = stretches.upper_bound(offset);
    return after == stretches.begin() ? offset : std::max(offset, std::prev(after)->second);
  }
  std::uint64_t begin_after(const Stretches& stretches, std::uint64_t offset) const {
    const auto after = stretches.upper_bound(offset);
    return after == stretches.end() ? m_size : after->first;
  }

  Result<> bring(ByteRange range, const std::function<void()>& progress) {
    auto at = range.offset;
    std::string gathered;  // pieces are small, and each write has its price
    const auto keep = [&]() -> Result<> {
      TRY(write_all(m_file->get(), as_bytes(gathered), at));
      {
        const std::lock_guard lock(m_mutex);
        add(at, at + gathered.size());
      }
      at += gathered.size();
      gathered.clear();
      m_changed.notify_all();
      progress();
      return {};
    };
    gathered.reserve(std::min<std::uint64_t>(range.length, written_at_once + piece_max));
    const auto fetched = m_fetch(range, [&](ByteView piece) -> Result<> {
      gathered += as_text(piece);
      return gathered.size() < written_at_once ? Result<>() : keep();
    });
    const auto kept = keep();  // what came is not asked for again
    return fetched ? kept : fetched;
  }

  void add(std::uint64_t begin, std::uint64_t end) {
    if (const auto next = m_there.find(end); next != m_there.end()) {
      end = next->second;
      m_there.erase(next);
    }
    if (const auto after = m_there.upper_bound(begin); after != m_there.begin() && std::prev(after)->second == begin)
      std::prev(after)->second = end;
    else
      m_there.emplace(begin, end);
  }

  /// A name that a power loss cannot give to half a copy. Where it cannot be had, the copy serves those who have it.
  void settle() {
    const bool is_kept =
        flush_file(m_file->get()) && ::rename(m_cache->path_of(m_part).c_str(), m_cache->path_of(m_name).c_str()) == 0;
    m_cache->settle(m_name, m_part, is_kept);
  }

  /// The room of what was sent long ago. Whole large pages only: of what a socket still sends, nothing may change.
  void give_back(std::uint64_t read_to) {
    const std::lock_guard lock(m_mutex);
    if (read_to < m_given_back + kept_behind + given_back) return;
    const auto until = (read_to - kept_behind) / given_back * given_back;
    constexpr int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    const auto offset = static_cast<off_t>(m_given_back);
    if (::fallocate(m_file->get(), punch, offset, static_cast<off_t>(until) - offset) < 0) return;
    m_given_back = until;
    const auto rest = end_of(m_there, until);
    m_there.erase(m_there.begin(), m_there.upper_bound(until));
    if (rest > until) m_there.emplace(until, rest);
  }

  ReadCache* m_cache = nullptr;
  std::string m_name;
  std::string m_part;
  const std::uint64_t m_size;
  const std::shared_ptr<const Fd> m_file;
  const Fetch m_fetch;
  mutable std::mutex m_mutex;  // guards what follows
  std::condition_variable m_changed;
  Stretches m_there;
  Stretches m_coming;
  std::uint64_t m_given_back = 0;
  bool m_is_whole = false;
};

// ---- the cache

Result<std::unique_ptr<ReadCache>> ReadCache::open(std::filesystem::path directory, std::uint64_t bytes_max) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail_errno(error.value(), "making " + directory.string());
  std::unique_ptr<ReadCache> cache(new ReadCache(std::move(directory), bytes_max));
  TRY(cache->find_copies());
  cache->make_room();
  return cache;
}

/// Those that an earlier process has left, the oldest first.
Result<> ReadCache::find_copies() {
  struct Found {
    std::filesystem::file_time_type made;
    std::string name;
    std::uint64_t size;
  };
  std::vector<Found> found;
  std::vector<std::string> unfinished;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(m_directory, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code gone;
    if (!at->is_regular_file(gone)) continue;
    auto name = at->path().filename().string();
    if (name.ends_with(part_suffix))
      unfinished.push_back(std::move(name));
    else
      found.push_back({at->last_write_time(gone), std::move(name), at->file_size(gone)});
  }
  if (error) return fail_errno(error.value(), "listing " + m_directory.string());
  remove_files(unfinished);
  std::ranges::sort(found, {}, &Found::made);
  for (auto& one : found) enter({.name = std::move(one.name), .room = room_of(one.size), .part = {}, .copy = {}});
  return {};
}

Result<FileSlice> ReadCache::open(const std::string& name, std::uint64_t size, ByteRange range, Fetch fetch) {
  const bool is_kept = size > 0 && room_of(size) <= m_bytes_max / large_part;
  if (!is_kept) {
    TRY_ASSIGN(Fd file, open_file(m_directory, O_TMPFILE | O_RDWR));
    auto shared = std::make_shared<const Fd>(std::move(file));
    return FileSlice{shared, range, std::make_shared<CachedCopy>(size, shared, std::move(fetch))};
  }
  if (auto known = find(name, size, range)) return std::move(*known);
  const auto part = name + "." + random_hex(4) + part_suffix;
  const auto path = path_of(part);
  std::error_code error;
  std::filesystem::create_directory(path.parent_path(), error);
  TRY_ASSIGN(Fd file, open_file(path, O_RDWR | O_CREAT | O_EXCL));
  auto shared = std::make_shared<const Fd>(std::move(file));
  const auto copy = std::make_shared<CachedCopy>(size, shared, std::move(fetch));
  copy->keep_in(*this, name, part);
  enter({.name = name, .room = room_of(size), .part = part, .copy = copy});
  make_room();
  return FileSlice{std::move(shared), range, copy};
}

std::optional<FileSlice> ReadCache::find(const std::string& name, std::uint64_t size, ByteRange range) {
  const std::lock_guard lock(m_mutex);
  const auto known = m_by_name.find(name);
  if (known == m_by_name.end()) return std::nullopt;
  auto& entry = *known->second;
  m_entries.splice(m_entries.end(), m_entries, known->second);
  if (auto copy = std::static_pointer_cast<CachedCopy>(entry.copy.lock())) return FileSlice{copy->file(), range, copy};
  if (!entry.part.empty()) return std::nullopt;  // its last reader is just leaving
  auto file = open_file(path_of(name), O_RDONLY);
  if (!file || entry.room != room_of(size)) return std::nullopt;
  return FileSlice{std::make_shared<const Fd>(std::move(*file)), range};
}

/// In place of another of that name.
void ReadCache::enter(Entry entry) {
  const std::lock_guard lock(m_mutex);
  std::vector<std::string> replaced;  // its file is replaced too, once this one is whole
  if (const auto known = m_by_name.find(entry.name); known != m_by_name.end()) drop(known->second, replaced);
  m_room_taken += entry.room;
  m_entries.push_back(std::move(entry));
  m_by_name[m_entries.back().name] = std::prev(m_entries.end());
}

void ReadCache::drop(Entries::iterator entry, std::vector<std::string>& files) {
  files.push_back(entry->part.empty() ? entry->name : entry->part);
  m_room_taken -= entry->room;
  m_by_name.erase(entry->name);
  m_entries.erase(entry);
}

/// Who reads what is given up goes on reading it.
void ReadCache::make_room() {
  std::vector<std::string> files;
  {
    const std::lock_guard lock(m_mutex);
    while (m_room_taken > m_bytes_max || m_entries.size() > files_max) drop(m_entries.begin(), files);
  }
  remove_files(files);
}

void ReadCache::remove_files(const std::vector<std::string>& files) {
  for (const auto& file : files)
    if (::unlink(path_of(file).c_str()) < 0 && errno != ENOENT)
      log::warn("a copy in the cache cannot be removed",
                {{"file", path_of(file).string()}, {"error", errno_error(errno, "unlink").message}});
}

void ReadCache::settle(const std::string& name, const std::string& part, bool is_whole) {
  std::vector<std::string> files;
  {
    const std::lock_guard lock(m_mutex);
    const auto known = m_by_name.find(name);
    if (known != m_by_name.end() && is_whole) {  // also in the place of another that is still coming: it is as good
      known->second->part.clear();
      return;
    }
    const bool is_entered = known != m_by_name.end() && known->second->part == part;
    if (is_entered)
      drop(known->second, files);
    else
      files.push_back(is_whole ? name : part);  // given up meanwhile
  }
  remove_files(files);
}

CacheUsage ReadCache::usage() {
  const std::lock_guard lock(m_mutex);
  return {m_entries.size(), m_room_taken};
}

}  // namespace slipway::blob
