#include "publish/source_folder.hpp"

#include "base/text.hpp"
#include "publish/paths.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <memory>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace slipway::publish {
namespace {

constexpr std::size_t depth_max = 200;
constexpr std::size_t entries_max = 2'000'000;             // of one folder: some 300 MB
constexpr std::array extensions = {".br", ".zst", ".gz"};  // in the order of Coding
/// What nobody means to publish, though it lies in many folders.
constexpr std::array never_published = {".git", ".hg", ".svn"};

/// Below `root`, whatever links and other processes do: openat2(2). EXDEV where a link leads out of it.
int open_beneath(int root, const std::string& path, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  int file = -1;
  do file = static_cast<int>(::syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof how));
  while (file < 0 && (errno == EINTR || errno == EAGAIN));
  return file;
}

Error refused(const std::string& path, std::string_view why) {
  return {Failure::invalid, fmt::format("'{}' {}", printable(path, 1024), why)};
}

/// What went wrong when a path of the folder was looked at.
Error looking_failed(int number, const std::string& path) {
  switch (number) {
  case EXDEV: return refused(path, "is a link that leads out of the folder: publish a copy, or exclude it");
  case ELOOP: return refused(path, "is a link that leads round in a circle");
  case ENOENT: return refused(path, "is a link to nothing, or was removed just now");
  default: return errno_error(number, "'" + printable(path, 1024) + "'");
  }
}

FileStamp stamp_from(const struct stat& status) {
  const auto nanoseconds = [](const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; };
  return {.size = static_cast<std::uint64_t>(status.st_size),
          .inode = status.st_ino,
          .modified = nanoseconds(status.st_mtim),
          .changed = nanoseconds(status.st_ctim)};
}

}  // namespace

std::string variant_path(const std::string& path, Coding coding) {
  return path + extensions[static_cast<std::size_t>(coding)];
}

Result<SourceFolder> SourceFolder::open(const std::filesystem::path& path, Options options) {
  auto root = slipway::open_file(path, O_RDONLY | O_DIRECTORY);
  if (!root) return std::unexpected(root.error());
  struct stat status{};
  if (::fstat(root->get(), &status) < 0) return fail_errno(errno, path.string());
  SourceFolder out(std::move(*root), std::move(options));
  TRY(out.enter("", {status.st_dev, status.st_ino}));
  return out;
}

bool SourceFolder::is_excluded(const std::string& path, const std::string& name) const {
  if (std::ranges::find(never_published, name) != never_published.end()) {
    m_options.on_warning(fmt::format("'{}' is left out", path));
    return true;
  }
  return std::ranges::any_of(m_options.exclude, [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME) == 0 ||
           ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  });
}

/// What a name in a folder is; nothing where it has gone meanwhile.
Result<std::optional<SourceFolder::Entry>> SourceFolder::look_at(const Fd& folder, const std::string& path,
                                                                 const std::string& name) const {
  struct stat status{};
  if (::fstatat(folder.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
    if (errno == ENOENT) return std::nullopt;
    return std::unexpected(looking_failed(errno, path));
  }
  if (S_ISLNK(status.st_mode)) {
    const Fd target(open_beneath(m_root.get(), path, O_PATH));
    if (!target || ::fstat(target.get(), &status) < 0) return std::unexpected(looking_failed(errno, path));
  }
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
    return std::unexpected(refused(path, "is neither a file nor a folder"));
  return Entry{
      .name = S_ISDIR(status.st_mode) ? name + "/" : name, .stamp = stamp_from(status), .device = status.st_dev};
}

Result<> SourceFolder::enter(const std::string& path, std::pair<std::uint64_t, std::uint64_t> identity) {
  if (m_levels.size() == depth_max)
    return std::unexpected(refused(path, fmt::format("is more than {} folders deep", depth_max)));
  if (std::ranges::find(m_levels, identity, &Level::identity) != m_levels.end())
    return std::unexpected(refused(path, "is a link to a folder that it lies in"));
  Fd folder(open_beneath(m_root.get(), path, O_RDONLY | O_DIRECTORY));
  if (!folder) return std::unexpected(looking_failed(errno, path));
  const Fd held(::dup(folder.get()));
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(folder.get()), ::closedir);
  if (!listing) return fail_errno(errno, path);
  static_cast<void>(folder.release());
  Level level{.path = path, .identity = identity, .entries = {}};
  for (errno = 0; const dirent* one = ::readdir(listing.get()); errno = 0) {
    const std::string name(one->d_name);
    if (name == "." || name == ".." || is_excluded(path + name, name)) continue;
    if (const auto good = check_path(path + name); !good) return good;
    TRY_ASSIGN(auto entry, look_at(held, path + name, name));
    if (entry) level.entries.push_back(std::move(*entry));
    if (level.entries.size() > entries_max)
      return std::unexpected(refused(path, fmt::format("has more than {} entries", entries_max)));
  }
  if (errno != 0) return fail_errno(errno, path);
  std::ranges::sort(level.entries, {}, &Entry::name);
  warn_of_collisions(level);
  m_levels.push_back(std::move(level));
  return {};
}

/// A tree may have both; who unpacks it on Windows or macOS gets one of them.
void SourceFolder::warn_of_collisions(const Level& level) const {
  std::set<std::string> seen;
  for (const auto& entry : level.entries) {
    auto name = in_small_letters(entry.name);
    if (name.ends_with('/')) name.pop_back();
    if (!seen.insert(std::move(name)).second)
      m_options.on_warning(
          fmt::format("'{}{}' differs from another name in capital letters only", level.path, entry.name));
  }
}

std::vector<std::pair<Coding, FileStamp>> SourceFolder::variants_of(const Level& level, const std::string& name) {
  std::vector<std::pair<Coding, FileStamp>> out;
  for (const auto coding : {Coding::br, Coding::zstd, Coding::gzip}) {
    const auto wanted = variant_path(name, coding);
    const auto found = std::ranges::lower_bound(level.entries, wanted, {}, &Entry::name);
    if (found != level.entries.end() && found->name == wanted) out.emplace_back(coding, found->stamp);
  }
  return out;
}

Result<std::optional<FolderFile>> SourceFolder::next() {
  while (!m_levels.empty()) {
    auto& level = m_levels.back();
    if (level.next == level.entries.size()) {
      m_levels.pop_back();
      continue;
    }
    const auto& entry = level.entries[level.next++];
    if (!entry.name.ends_with('/'))
      return FolderFile{
          .path = level.path + entry.name, .stamp = entry.stamp, .variants = variants_of(level, entry.name)};
    TRY(enter(level.path + entry.name, {entry.device, entry.stamp.inode}));  // ends the reference
  }
  return std::nullopt;
}

Result<Fd> SourceFolder::open_file(const std::string& path) const {
  Fd file(open_beneath(m_root.get(), path, O_RDONLY | O_NONBLOCK));  // what is a pipe by now holds nobody
  if (!file) return std::unexpected(looking_failed(errno, path));
  return file;
}

Result<FileStamp> SourceFolder::stamp_of(const Fd& file) {
  struct stat status{};
  if (::fstat(file.get(), &status) < 0) return fail_errno(errno, "looking at a file");
  if (!S_ISREG(status.st_mode)) return fail(Failure::conflict, "it is no file any more");
  return stamp_from(status);
}

}  // namespace slipway::publish
