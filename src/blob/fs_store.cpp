#include "blob/fs_store.hpp"

#include "base/random.hpp"
#include "blob/copy_mark.hpp"
#include "blob/pack_format.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <vector>

namespace slipway::blob {
namespace fs = std::filesystem;

/// The id whose file has this name; other people's files have other names.
static std::optional<LocationId> id_of(const fs::path& file) {
  const auto name = file.filename().string();
  std::uint64_t id = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), id, 16);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == name.data() + name.size();
  constexpr std::uint64_t beyond_all = std::uint64_t{1} << 62;
  return whole && name.size() == 16 && id < beyond_all ? std::optional(LocationId(id)) : std::nullopt;
}

/// Of a pack on its way in: no upload has such a name.
static constexpr const char* copy_suffix = ".copy";

static std::string key_of(LocationId id) { return fmt::format("raw/{:x}/{:016x}", number_of(id) >> 12, number_of(id)); }

/// An upload into a file that has no name yet, or one under uploads/.
class FsUpload final : public Upload {
public:
  FsUpload(FsStore& store, LocationId id, Fd file, fs::path aside, std::uint64_t position, bool suspended)
      : m_store(store), m_id(id), m_key(key_of(id)), m_file(std::move(file)), m_aside(std::move(aside)),
        m_position(position), m_suspended(suspended) {}
  /// Of a whole pack.
  FsUpload(FsStore& store, std::string pack, Fd file, fs::path aside)
      : m_store(store), m_id(), m_key(std::move(pack)), m_file(std::move(file)), m_aside(std::move(aside)),
        m_position(0), m_suspended(false) {}

  ~FsUpload() override {
    if (m_file && !m_suspended) static_cast<void>(abandon());  // a leftover is only space, and doctor reports it
  }

  std::uint64_t position() const override { return m_position; }

  Result<> write(ByteView bytes) override {
    TRY(write_all(m_file.get(), bytes, m_position));
    m_position += bytes.size();
    if (m_position - m_prepared >= stride_bytes) prepare();
    return {};
  }

  Result<ResumeToken> suspend() override {
    SLIPWAY_INVARIANT(!m_aside.empty());
    TRY(give_room_back());
    TRY(flush_file(m_file.get()));
    if (!m_suspended) TRY(sync_directory(m_aside.parent_path()));
    m_suspended = true;
    return std::to_string(m_position);
  }

  Result<std::size_t> read(std::span<std::byte> out, std::uint64_t offset) override {
    return read_some(m_file.get(), out, offset);
  }

  Result<Location> finish() override {
    const auto path = m_store.path_of(m_key);
    TRY(give_room_back());
    TRY(flush_file(m_file.get()));
    TRY(m_store.ensure_folder(path.parent_path()));
    if (m_aside.empty()) {
      const auto self = fmt::format("/proc/self/fd/{}", m_file.get());
      const auto link = [&] { return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW); };
      // A finish that the catalog never heard of may have left a file; the id is ours alone, so it is ours to replace.
      if (link() < 0 && (errno != EEXIST || ::unlink(path.c_str()) < 0 || link() < 0))
        return fail_errno(errno, "naming " + path.string());
    } else if (::rename(m_aside.c_str(), path.c_str()) < 0) {
      return fail_errno(errno, "naming " + path.string());
    }
    TRY(sync_directory(path.parent_path()));
    m_file.reset();
    m_store.m_raw.forget(number_of(m_id));  // what it replaced
    return Location{m_id, LocationKind::raw, m_key, {0, m_position}};
  }

  Result<> abandon() override {
    m_file.reset();
    if (!m_aside.empty() && ::unlink(m_aside.c_str()) < 0 && errno != ENOENT)
      return fail_errno(errno, "removing " + m_aside.string());
    return {};
  }

private:
  /// Has the disk begin with what came, so that the flush at the end waits for little; and finds room for what comes
  /// next, because pages whose place is known cost half of others. Hints: nothing is durable by them, and they may
  /// fail.
  void prepare() {
    const auto came = static_cast<off_t>(m_position - m_prepared);
    ::sync_file_range(m_file.get(), static_cast<off_t>(m_prepared), came, SYNC_FILE_RANGE_WRITE);
    m_prepared = m_position;
    m_has_room = true;  // some of it even where it fails
    static_cast<void>(::fallocate(m_file.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(m_position), stride_bytes));
  }

  Result<> give_room_back() {
    return std::exchange(m_has_room, false) ? truncate_file(m_file.get(), m_position) : Result<>();
  }

  static constexpr std::uint64_t stride_bytes = 4U << 20;

  FsStore& m_store;
  const LocationId m_id;
  const std::string m_key;
  Fd m_file;
  const fs::path m_aside;  // empty for an unnamed file
  std::uint64_t m_position;
  std::uint64_t m_prepared = m_position;
  bool m_has_room = false;  // beyond the end of the file
  bool m_suspended;         // a token exists: the file must outlive this object
};

static constexpr std::array store_folders = {"raw", "packs", "uploads"};

/// Nothing is there but what the first start, or a first copy, may have died over.
static Result<bool> is_unused(const fs::path& directory) {
  constexpr std::array ours = {"store.id.new", "copy.id.new", "copying.lock"};
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    const auto name = at->path().filename();
    const bool is_empty_folder =
        std::ranges::find(store_folders, name) != store_folders.end() && fs::is_empty(at->path(), error);
    if (!error && !is_empty_folder && std::ranges::find(ours, name) == std::end(ours)) return false;
  }
  if (error) return fail_errno(error.value(), "looking into " + directory.string());
  return true;
}

Result<std::unique_ptr<FsStore>> FsStore::open(const fs::path& directory, std::uint64_t keep_free) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return fail_errno(error.value(), "making " + directory.string());
  const auto identity = directory / "store.id";
  const bool known = fs::exists(identity, error);
  if (error) return fail_errno(error.value(), "looking for " + identity.string());
  if (!known) {
    TRY_ASSIGN(const bool unused, is_unused(directory));
    if (!unused) return no_store(directory.string(), fs::exists(directory / "copy.id", error));
    TRY(write_file_atomically(identity, random_hex(16) + "\n"));
  }
  TRY(make_folders(directory));
  return open_made(directory, keep_free);
}

Result<> FsStore::make_folders(const fs::path& directory) {
  std::error_code error;
  for (const auto* folder : store_folders) {
    fs::create_directories(directory / folder, error);
    if (error) return fail_errno(error.value(), "making " + (directory / folder).string());
  }
  return sync_directory(directory);
}

Result<std::unique_ptr<FsStore>> FsStore::open_copy(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return fail_errno(error.value(), "making " + directory.string());
  if (!fs::exists(directory / "store.id", error) && !fs::exists(directory / "copy.id", error)) {
    TRY_ASSIGN(const bool unused, is_unused(directory));
    if (!unused) return no_store(directory.string(), false);
  }
  TRY(make_folders(directory));
  return std::unique_ptr<FsStore>(new FsStore(directory, 0));
}

Result<> FsStore::discard_unfinished() {
  const auto uploads = m_directory / "uploads";
  std::error_code error;
  for (fs::directory_iterator at(uploads, error), end; !error && at != end; at.increment(error))
    if (at->path().extension() == copy_suffix) fs::remove(at->path(), error);
  if (error) return fail_errno(error.value(), "looking into " + uploads.string());
  return {};
}

Result<std::unique_ptr<FsStore>> FsStore::open_existing(const fs::path& directory) { return open_made(directory, 0); }

Result<std::unique_ptr<FsStore>> FsStore::open_made(const fs::path& directory, std::uint64_t keep_free) {
  std::unique_ptr<FsStore> store(new FsStore(directory, keep_free));
  TRY(store->identity());
  return store;
}

Result<std::string> FsStore::identity() {
  TRY_ASSIGN(auto text, read_file(m_directory / "store.id", 256));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.size() != 32 || text.find_first_not_of("0123456789abcdef") != text.npos)
    return fail(Failure::corrupt, (m_directory / "store.id").string() + " does not hold an identity");
  return text;
}

fs::path FsStore::upload_path(LocationId id) const {
  return m_directory / "uploads" / fmt::format("{:016x}", number_of(id));
}

Result<> FsStore::ensure_folder(const fs::path& folder) {
  {
    const std::lock_guard lock(m_mutex);
    if (m_folders.contains(folder.string())) return {};
  }
  if (::mkdir(folder.c_str(), 0750) < 0 && errno != EEXIST) return fail_errno(errno, "making " + folder.string());
  TRY(sync_directory(folder.parent_path()));
  const std::lock_guard lock(m_mutex);
  m_folders.insert(folder.string());
  return {};
}

/// A location's id says where it is, whichever store named it.
fs::path FsStore::path_of(const Location& location) const {
  return path_of(location.kind == LocationKind::raw ? key_of(location.id) : location.key);
}

Result<FileSlice> FsStore::open(const Location& location, ByteRange range) {
  const auto begin = location.range.offset + range.offset;
  const auto path = [&] { return path_of(location); };
  TRY_ASSIGN(auto opened, location.kind == LocationKind::raw ? m_raw.open(number_of(location.id), path)
                                                             : m_packs.open(location.key, begin + range.length));
  if (range.offset + range.length > location.range.length || opened.size < begin + range.length)
    return fail(Failure::corrupt,
                fmt::format("{} has {} bytes, the catalog says {}", location.key, opened.size, location.range.length));
  return FileSlice{std::move(opened.file), {begin, range.length}};
}

Result<std::unique_ptr<Upload>> FsStore::begin(LocationId id, bool resumable) {
  if (!resumable) {
    auto file = open_file(m_directory / "uploads", O_TMPFILE | O_RDWR);
    if (file) return std::make_unique<FsUpload>(*this, id, std::move(*file), fs::path(), 0, false);
    if (file.error().failure == Failure::no_space || file.error().failure == Failure::busy)
      return std::unexpected(file.error());
  }
  const auto path = upload_path(id);
  // A crash may have left a file that was never suspended; its id is ours alone, so it is ours to overwrite.
  TRY_ASSIGN(Fd file, open_file(path, O_RDWR | O_CREAT | O_TRUNC));
  return std::make_unique<FsUpload>(*this, id, std::move(file), path, 0, false);
}

Result<std::unique_ptr<Upload>> FsStore::begin_copy(const Location& location) {
  if (location.kind == LocationKind::raw) return begin(location.id, false);
  TRY(expect_pack_name(location.key));
  m_packs.forget(location.key);
  const auto aside = m_directory / "uploads" / (location.key.substr(location.key.find('/') + 1) + copy_suffix);
  TRY_ASSIGN(Fd file, open_file(aside, O_RDWR | O_CREAT | O_TRUNC));
  return std::make_unique<FsUpload>(*this, location.key, std::move(file), aside);
}

Result<std::unique_ptr<Upload>> FsStore::resume(LocationId id, const ResumeToken& token, Predecessor) {
  std::uint64_t position = 0;
  const auto [end, bad] = std::from_chars(token.data(), token.data() + token.size(), position);
  if (bad != std::errc() || end != token.data() + token.size())
    return fail(Failure::corrupt, "an upload's resume token cannot be read");
  const auto path = upload_path(id);
  auto opened = open_file(path, O_RDWR);
  if (!opened && opened.error().failure == Failure::not_found) {
    if (auto back = take_back(id))
      opened = open_file(path, O_RDWR);
    else if (back.error().failure != Failure::not_found)
      return std::unexpected(back.error());
  }
  if (!opened && opened.error().failure == Failure::not_found)
    return fail(Failure::not_found, "the upload's bytes are gone: begin it again");  // a client reads this: no path
  if (!opened) return std::unexpected(opened.error());
  Fd file = std::move(*opened);
  struct stat status{};
  if (::fstat(file.get(), &status) < 0) return fail_errno(errno, "resuming an upload");
  if (static_cast<std::uint64_t>(status.st_size) < position)
    return fail(Failure::corrupt,
                fmt::format("an upload's file has {} bytes, {} were acknowledged", status.st_size, position));
  TRY(truncate_file(file.get(), position));
  return std::make_unique<FsUpload>(*this, id, std::move(file), path, position, true);
}

Result<> FsStore::take_back(LocationId id) {
  const auto finished = path_of(key_of(id));
  const auto path = upload_path(id);
  // Not flushed: whichever name is left after a crash, it is found here again.
  if (::rename(finished.c_str(), path.c_str()) < 0) return fail_errno(errno, "renaming " + finished.string());
  return {};
}

static Result<> remove_file(const fs::path& path) {
  if (::unlink(path.c_str()) < 0) return errno == ENOENT ? Result<>{} : fail_errno(errno, "removing " + path.string());
  return sync_directory(path.parent_path());
}

/// A lock for one removal. A descriptor of its own, for a lock belongs to one.
static Result<Fd> allow_removal(const fs::path& lock) {
  TRY_ASSIGN(Fd file, open_file(lock, O_RDWR | O_CREAT));
  if (::flock(file.get(), LOCK_SH | LOCK_NB) == 0) return file;
  if (errno != EWOULDBLOCK) return fail_errno(errno, "locking " + lock.string());
  return fail(Failure::busy, "the store is being copied: nothing is removed until that is done");
}

Result<> FsStore::remove(const Location& location) {
  if (location.kind == LocationKind::pack || location.kind == LocationKind::leftovers) return {};
  if (location.kind == LocationKind::upload) {  // no row ever had it: nobody copies it
    TRY(remove_file(upload_path(location.id)));
    return remove_file(path_of(key_of(location.id)));
  }
  TRY_ASSIGN(const auto allowed, allow_removal(m_directory / "removals.lock"));
  if (location.kind != LocationKind::raw) return m_packs.remove(location.key);
  TRY(remove_file(path_of(location)));
  m_raw.forget(number_of(location.id));
  return {};
}

Result<Fd> FsStore::hold_removals() {
  const auto lock = m_directory / "removals.lock";
  TRY_ASSIGN(Fd file, open_file(lock, O_RDWR | O_CREAT));
  while (::flock(file.get(), LOCK_EX) < 0)
    if (errno != EINTR) return fail_errno(errno, "locking " + lock.string());
  return file;
}

Result<Fd> FsStore::hold_copying() {
  const auto lock = m_directory / "copying.lock";
  TRY_ASSIGN(Fd file, open_file(lock, O_RDWR | O_CREAT));
  while (::flock(file.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno == EWOULDBLOCK)
      return fail(Failure::busy, m_directory.string() + " is being copied from, or to: wait until that has ended");
    if (errno != EINTR) return fail_errno(errno, "locking " + lock.string());
  }
  return file;
}

bool FsStore::is_finished(LocationId id) {
  std::error_code error;
  return fs::exists(path_of(key_of(id)), error) || error;
}

Result<> FsStore::list(const std::function<void(const Location&)>& each) {
  std::error_code error;
  for (fs::recursive_directory_iterator at(m_directory / "raw", error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;  // removed since it was listed
    if (!at->is_regular_file(gone)) continue;
    const auto size = at->file_size(gone);
    if (gone) continue;
    if (const auto id = id_of(at->path())) each({*id, LocationKind::raw, key_of(*id), {0, size}});
  }
  if (error) return fail_errno(error.value(), "listing " + m_directory.string());
  for (fs::directory_iterator at(m_directory / "uploads", error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;
    const auto size = at->file_size(gone);
    const auto id = id_of(at->path());
    if (id && !gone) each({*id, LocationKind::upload, {}, {0, size}});
  }
  if (error) return fail_errno(error.value(), "listing " + m_directory.string());
  return m_packs.list(each);
}

/// Of the files in a folder that lie where `is_here` says they would.
static Result<std::uint64_t> highest_in(const fs::path& folder, const std::function<bool(LocationId)>& is_here) {
  std::uint64_t out = 0;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (const auto id = id_of(at->path()); id && is_here(*id)) out = std::max(out, number_of(*id));
  if (error) return fail_errno(error.value(), "listing " + folder.string());
  return out;
}

Result<LocationId> FsStore::highest(LocationId) {
  std::vector<std::uint64_t> folders;
  std::error_code error;
  for (fs::directory_iterator at(m_directory / "raw", error), end; !error && at != end; at.increment(error)) {
    const auto name = at->path().filename().string();
    std::uint64_t number = 0;
    std::from_chars(name.data(), name.data() + name.size(), number, 16);
    std::error_code gone;
    if (name == fmt::format("{:x}", number) && at->is_directory(gone)) folders.push_back(number);
  }
  if (error) return fail_errno(error.value(), "listing " + (m_directory / "raw").string());
  std::ranges::sort(folders, std::greater());
  TRY_ASSIGN(auto out, highest_in(m_directory / "uploads", [](LocationId) { return true; }));
  for (const auto folder : folders) {
    TRY_ASSIGN(const auto found, highest_in(m_directory / "raw" / fmt::format("{:x}", folder),
                                            [&](LocationId id) { return number_of(id) >> 12 == folder; }));
    out = std::max(out, found);
    if (found > 0) break;
  }
  return LocationId(out);
}

Result<bool> FsStore::is_empty() {
  std::error_code error;
  const bool packs = !fs::is_empty(m_directory / "packs", error);
  if (error) return fail_errno(error.value(), "looking into " + (m_directory / "packs").string());
  TRY_ASSIGN(const auto found, highest(LocationId{}));
  return !packs && number_of(found) == 0;
}

Result<Space> FsStore::space() {
  struct statvfs status{};
  if (::statvfs(m_directory.c_str(), &status) < 0)
    return fail_errno(errno, "asking for free space of " + m_directory.string());
  return Space{static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize,
               static_cast<std::uint64_t>(status.f_blocks) * status.f_frsize};
}

Result<> FsStore::expect_room() {
  if (m_keep_free == 0) return {};
  TRY_ASSIGN(const auto now, space());
  if (now.free_bytes >= m_keep_free || now.total_bytes == 0) return {};  // some file systems do not count
  return fail(Failure::no_space,
              fmt::format("{} are free below {}, and the last {} are for deletions only", human_size(now.free_bytes),
                          m_directory.string(), human_size(m_keep_free)));
}

}  // namespace slipway::blob
