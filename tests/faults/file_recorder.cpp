// Preloaded into the server, below both its own files and SQLite's: writes down, in one order, everything that changes
// a file or folder under $RECORD_BELOW, what was flushed, and the head of every answer that was sent. power_disk.py
// makes of it what a disk may hold after the power went at any point.
//
// The record goes to $RECORD_FILE. Each entry: u32 length of the rest, u8 kind, u64 file, u64 offset, u32 length of the
// first text, u32 length of the second, both texts; little-endian. Files are numbered as they are made, for the kernel
// uses inode numbers again. One lock is held over each call and its entry, so the order is the true one; an answer is
// written down before it is sent, anything else after it was done.
//
// Calls that change files in ways this does not understand end the process: a hole here would be a proof of nothing.

#include "file_calls.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <vector>

namespace {

enum class Kind : std::uint8_t {
  create = 1,
  unnamed,
  write,
  truncate,
  flush,
  link,
  rename,
  unlink,
  mkdir,
  rmdir,
  flush_folder,
  send
};

constexpr std::size_t head_bytes = 1024;  // of an answer

class Recorder {
public:
  static Recorder& instance() {
    static auto* const recorder = new Recorder;  // outlives every thread that may still call
    return *recorder;
  }

  bool is_on() const { return m_out >= 0; }
  std::unique_lock<std::mutex> lock() { return std::unique_lock(m_mutex); }

  /// The path below the recorded folder, or nothing.
  bool find(int folder, const char* path, std::string& out) const {
    return file_calls::find_below(m_below, folder, path, out);
  }

  /// The number of a recorded file, or 0.
  std::uint64_t file(int fd) const {
    struct stat status{};
    if (::fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) return 0;
    const auto found = m_files.find({status.st_dev, status.st_ino});
    return found == m_files.end() ? 0 : found->second;
  }

  std::uint64_t new_file(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) < 0) give_up("fstat of a new file");
    return m_files[{status.st_dev, status.st_ino}] = ++m_last;
  }

  void write_down(Kind kind, std::uint64_t file, std::uint64_t offset, std::string_view first,
                  std::string_view second = {}) {
    std::string entry(25, '\0');
    const auto put = [&](std::size_t at, auto value) { std::memcpy(entry.data() + at, &value, sizeof value); };
    put(0, static_cast<std::uint32_t>(entry.size() - 4 + first.size() + second.size()));
    put(4, kind);
    put(5, file);
    put(13, offset);
    put(21, static_cast<std::uint32_t>(first.size()));
    entry.append(first).append(second);
    for (std::string_view rest = entry; !rest.empty();) {
      const auto n = ::syscall(SYS_write, m_out, rest.data(), rest.size());
      if (n < 0) give_up("writing the record");
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  [[noreturn]] static void give_up(const char* what) {
    std::fprintf(stderr, "file_recorder: %s (%s)\n", what, std::strerror(errno));
    std::abort();
  }

private:
  Recorder() {
    const char* out = std::getenv("RECORD_FILE");
    const char* below = std::getenv("RECORD_BELOW");
    if (out == nullptr || below == nullptr) return;
    m_below = below;
    m_out = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, out, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (m_out < 0) give_up("opening the record");
  }

  std::mutex m_mutex;
  std::string m_below;
  int m_out = -1;
  std::map<std::pair<dev_t, ino_t>, std::uint64_t> m_files;
  std::uint64_t m_last = 0;
};

int open_recorded(int folder, const char* path, int flags, mode_t mode) {
  auto& recorder = Recorder::instance();
  std::string name;
  const bool changes = (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  if (!recorder.is_on() || !changes || !recorder.find(folder, path, name))
    return static_cast<int>(::syscall(SYS_openat, folder, path, flags, mode));
  const auto lock = recorder.lock();
  const bool existed = ::syscall(SYS_faccessat, folder, path, F_OK) == 0;
  const int fd = static_cast<int>(::syscall(SYS_openat, folder, path, flags, mode));
  const int error = errno;
  if (fd >= 0) {
    if ((flags & O_TMPFILE) == O_TMPFILE)
      recorder.write_down(Kind::unnamed, recorder.new_file(fd), 0, {});
    else if (!existed)
      recorder.write_down(Kind::create, recorder.new_file(fd), 0, name);
    else if ((flags & O_TRUNC) != 0)
      recorder.write_down(Kind::truncate, recorder.file(fd), 0, {});
  }
  errno = error;
  return fd;
}

/// One call and its entry. `change` does it; `tell` writes it down if it succeeded.
template <typename Change, typename Tell>
auto recorded(Change change, Tell tell) {
  auto& recorder = Recorder::instance();
  if (!recorder.is_on()) return change();
  const auto lock = recorder.lock();
  const auto result = change();
  const int error = errno;
  if (result >= 0) tell(recorder, result);
  errno = error;
  return result;
}

/// A change of names, told if any of them is below the recorded folder.
template <typename Change>
int recorded_names(Kind kind, int folder, const char* path, int folder2, const char* path2, Change change) {
  return static_cast<int>(recorded(change, [&](Recorder& recorder, auto) {
    std::string first;
    std::string second;
    const bool here = recorder.find(folder, path, first);
    const bool there = path2 != nullptr && recorder.find(folder2, path2, second);
    if (path2 != nullptr && here != there) Recorder::give_up("a name moved into or out of the recorded folder");
    if (here) recorder.write_down(kind, 0, 0, first, second);
  }));
}

void record_answer(int fd, std::string_view bytes) {
  auto& recorder = Recorder::instance();
  if (!recorder.is_on() || !bytes.starts_with("HTTP/1.1 ")) return;
  struct stat status{};
  if (::fstat(fd, &status) < 0 || !S_ISSOCK(status.st_mode)) return;
  const auto lock = recorder.lock();
  recorder.write_down(Kind::send, 0, 0, bytes.substr(0, head_bytes));
}

ssize_t write_recorded(int fd, const void* data, std::size_t size, std::int64_t offset) {
  const auto change = [&] {
    return offset < 0 ? ::syscall(SYS_write, fd, data, size) : ::syscall(SYS_pwrite64, fd, data, size, offset);
  };
  auto& recorder = Recorder::instance();
  if (!recorder.is_on()) return change();
  record_answer(fd, {static_cast<const char*>(data), size});
  return recorded(change, [&](Recorder&, auto written) {
    const auto file = recorder.file(fd);
    if (file == 0 || written == 0) return;
    const auto at = offset >= 0 ? offset : ::syscall(SYS_lseek, fd, 0, SEEK_CUR) - written;
    recorder.write_down(Kind::write, file, static_cast<std::uint64_t>(at),
                        {static_cast<const char*>(data), static_cast<std::size_t>(written)});
  });
}

/// Several pieces as one: what a signal or a full disk cuts off is cut off there too.
ssize_t write_pieces(int fd, const iovec* pieces, int count, std::int64_t offset) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  return write_recorded(fd, bytes.data(), bytes.size(), offset);
}

int truncate_recorded(int fd, off_t size) {
  return static_cast<int>(recorded([&] { return ::syscall(SYS_ftruncate, fd, size); },
                                   [&](Recorder& recorder, auto) {
                                     if (const auto file = recorder.file(fd))
                                       recorder.write_down(Kind::truncate, file, static_cast<std::uint64_t>(size), {});
                                   }));
}

int flush_recorded(long call, int fd) {
  return static_cast<int>(recorded([&] { return ::syscall(call, fd); },
                                   [&](Recorder& recorder, auto) {
                                     struct stat status{};
                                     std::string name;
                                     if (const auto file = recorder.file(fd))
                                       recorder.write_down(Kind::flush, file, 0, {});
                                     else if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) &&
                                              recorder.find(AT_FDCWD, file_calls::place_of(fd).c_str(), name))
                                       recorder.write_down(Kind::flush_folder, 0, 0, name);
                                   }));
}

int link_recorded(int folder, const char* from, int folder2, const char* to, int flags) {
  return static_cast<int>(recorded([&] { return ::syscall(SYS_linkat, folder, from, folder2, to, flags); },
                                   [&](Recorder& recorder, auto) {
                                     std::string name;
                                     if (!recorder.find(folder2, to, name)) return;
                                     const int fd =
                                         static_cast<int>(::syscall(SYS_openat, folder2, to, O_RDONLY | O_CLOEXEC));
                                     recorder.write_down(Kind::link, recorder.file(fd), 0, name);
                                     ::syscall(SYS_close, fd);
                                   }));
}

/// A change that is not understood, of a file that is recorded.
void refuse(int fd, const char* call) {
  auto& recorder = Recorder::instance();
  if (!recorder.is_on()) return;
  const auto lock = recorder.lock();
  if (recorder.file(fd) != 0) Recorder::give_up(call);
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_recorded(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_recorded(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_recorded(folder, path, flags, mode);
}
int openat64(int folder, const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_recorded(folder, path, flags, mode);
}
int __open_2(const char* path, int flags) { return open_recorded(AT_FDCWD, path, flags, 0); }
int __open64_2(const char* path, int flags) { return open_recorded(AT_FDCWD, path, flags, 0); }
int creat(const char* path, mode_t mode) { return open_recorded(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

ssize_t write(int fd, const void* data, std::size_t size) { return write_recorded(fd, data, size, -1); }
ssize_t pwrite(int fd, const void* data, std::size_t size, off_t at) { return write_recorded(fd, data, size, at); }
ssize_t pwrite64(int fd, const void* data, std::size_t size, off_t at) { return write_recorded(fd, data, size, at); }
ssize_t writev(int fd, const iovec* pieces, int count) { return write_pieces(fd, pieces, count, -1); }
ssize_t pwritev(int fd, const iovec* pieces, int count, off_t at) { return write_pieces(fd, pieces, count, at); }
ssize_t pwritev64(int fd, const iovec* pieces, int count, off_t at) { return write_pieces(fd, pieces, count, at); }
ssize_t send(int fd, const void* data, std::size_t size, int flags) {
  record_answer(fd, {static_cast<const char*>(data), size});
  return ::syscall(SYS_sendto, fd, data, size, flags, nullptr, 0);
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  if (message->msg_iovlen > 0)
    record_answer(fd, {static_cast<const char*>(message->msg_iov[0].iov_base), message->msg_iov[0].iov_len});
  return ::syscall(SYS_sendmsg, fd, message, flags);
}

int ftruncate(int fd, off_t size) noexcept { return truncate_recorded(fd, size); }
int ftruncate64(int fd, off_t size) noexcept { return truncate_recorded(fd, size); }
int fsync(int fd) { return flush_recorded(SYS_fsync, fd); }
int fdatasync(int fd) { return flush_recorded(SYS_fdatasync, fd); }

int link(const char* from, const char* to) noexcept { return link_recorded(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int folder, const char* from, int folder2, const char* to, int flags) noexcept {
  return link_recorded(folder, from, folder2, to, flags);
}
int rename(const char* from, const char* to) noexcept { return ::renameat(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int folder, const char* from, int folder2, const char* to) noexcept {
  return recorded_names(Kind::rename, folder, from, folder2, to,
                        [&] { return ::syscall(SYS_renameat, folder, from, folder2, to); });
}
int unlink(const char* path) noexcept { return ::unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char* path) noexcept { return ::unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int folder, const char* path, int flags) noexcept {
  return recorded_names((flags & AT_REMOVEDIR) != 0 ? Kind::rmdir : Kind::unlink, folder, path, 0, nullptr,
                        [&] { return ::syscall(SYS_unlinkat, folder, path, flags); });
}
int remove(const char* path) noexcept {
  const int removed = ::unlink(path);
  return removed < 0 && errno == EISDIR ? ::rmdir(path) : removed;
}
int mkdir(const char* path, mode_t mode) noexcept { return ::mkdirat(AT_FDCWD, path, mode); }
int mkdirat(int folder, const char* path, mode_t mode) noexcept {
  return recorded_names(Kind::mkdir, folder, path, 0, nullptr,
                        [&] { return ::syscall(SYS_mkdirat, folder, path, mode); });
}

int fallocate(int fd, int mode, off_t from, off_t size) {
  if (mode != FALLOC_FL_KEEP_SIZE) refuse(fd, "fallocate is not understood");  // that one changes no content
  return static_cast<int>(::syscall(SYS_fallocate, fd, mode, from, size));
}
int fallocate64(int fd, int mode, off_t from, off_t size) { return ::fallocate(fd, mode, from, size); }
int posix_fallocate(int fd, off_t from, off_t size) { return ::fallocate(fd, 0, from, size) < 0 ? errno : 0; }
int posix_fallocate64(int fd, off_t from, off_t size) { return ::posix_fallocate(fd, from, size); }
ssize_t copy_file_range(int in, off_t* from, int out, off_t* to, std::size_t size, unsigned flags) {
  refuse(out, "copy_file_range is not understood");
  return ::syscall(SYS_copy_file_range, in, from, out, to, size, flags);
}
ssize_t splice(int in, off_t* from, int out, off_t* to, std::size_t size, unsigned flags) {
  refuse(out, "splice is not understood");
  return ::syscall(SYS_splice, in, from, out, to, size, flags);
}
// SQLite's shared-memory index of the log is made anew from the log after a crash; no other file may be mapped to
// write.
void* mmap(void* at, std::size_t size, int protection, int flags, int fd, off_t from) noexcept {
  if (fd >= 0 && (flags & MAP_SHARED) != 0 && (protection & PROT_WRITE) != 0 &&
      !file_calls::place_of(fd).ends_with("-shm"))
    refuse(fd, "writing through mmap is not understood");
  return reinterpret_cast<void*>(::syscall(SYS_mmap, at, size, protection, flags, fd, from));
}
void* mmap64(void* at, std::size_t size, int protection, int flags, int fd, off_t from) noexcept {
  return ::mmap(at, size, protection, flags, fd, from);
}
}
