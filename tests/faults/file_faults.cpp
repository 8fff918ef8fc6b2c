// Preloaded into the server, below both its own files and SQLite's: counts the calls on files under $FAULTS_BELOW, and
// lets the n-th of them, or all from the n-th on, go wrong. Sockets, and files elsewhere, are never touched.
//
// The test says what goes wrong through $FAULTS_CONTROL, a file that both have mapped (file_faults.py is its other
// half), so that one server serves many trials. A call goes wrong before it does anything; what it would have changed
// is as it was, but for writes that are told to do half.

#include "file_calls.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

/// Which calls a trial counts. The numbers are file_faults.py's too.
enum Group : std::uint32_t {
  open_file = 1,
  make_file = 2,  // an open that may make or empty the file
  name_file = 4,  // mkdir, link, rename
  remove_file = 8,
  write_file = 16,
  truncate_file = 32,
  flush_file = 64,
  read_file = 128,
  look_at_file = 256,  // stat, access
  map_file = 512
};

/// `halve`: a read or write moves half of its bytes. `fill`: so too the first, and from then on calls fail, as on a
/// disk that has just become full. `kill`: the process ends right before the call.
enum class Action : std::uint32_t { fail = 1, halve, fill, kill };

/// The mapped file. Little-endian, without holes.
struct Control {
  std::atomic<std::uint32_t> armed;  // written last
  std::uint32_t groups;
  Action action;
  std::int32_t error;
  std::uint64_t first;                 // the first call that goes wrong, from 1
  std::uint64_t count;                 // how many do
  std::atomic<std::uint64_t> counted;  // calls of these groups since it was armed
  std::atomic<std::uint64_t> struck;   // of them, those that went wrong
  char what[200];                      // the first that did: "fdatasync store/uploads/#77 (deleted)"
};

class Faults {
public:
  static Faults& instance() {
    static auto* const faults = new Faults;  // outlives every thread that may still call
    return *faults;
  }

  bool wants(Group group) const {
    return m_control != nullptr && m_control->armed.load() != 0 && (m_control->groups & group) != 0;
  }

  /// How many of a call's `size` bytes are to be moved: all, half of them, or fewer than none where it fails with
  /// errno.
  ssize_t strike(const char* call, int folder, const char* path, std::size_t size = 0) {
    std::string name;
    const auto all = static_cast<ssize_t>(size);
    const bool halves = m_control->action == Action::halve || m_control->action == Action::fill;
    if (!file_calls::find_below(m_below, folder, path, name) || (m_control->action == Action::halve && size < 2))
      return all;
    const auto number = m_control->counted.fetch_add(1) + 1;
    if (number < m_control->first || number - m_control->first >= m_control->count) return all;
    const bool is_first = m_control->struck.fetch_add(1) == 0;
    if (is_first) tell(std::string(call) + " " + name);
    if (m_control->action == Action::kill) ::kill(::getpid(), SIGKILL);
    if (halves && size > 1 && (is_first || m_control->action == Action::halve)) return static_cast<ssize_t>(size / 2);
    errno = m_control->error;
    return -1;
  }

private:
  Faults() {
    const char* control = std::getenv("FAULTS_CONTROL");
    const char* below = std::getenv("FAULTS_BELOW");
    if (control == nullptr || below == nullptr) return;
    m_below = below;
    const auto fd = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, control, O_RDWR | O_CLOEXEC, 0));
    const auto at =
        ::syscall(SYS_mmap, nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, std::int64_t{0});
    if (fd < 0 || at == -1) std::abort();  // no trial would try anything
    ::syscall(SYS_close, fd);
    m_control = reinterpret_cast<Control*>(at);
  }

  void tell(const std::string& text) { std::strncpy(m_control->what, text.c_str(), sizeof m_control->what - 1); }

  std::string m_below;
  Control* m_control = nullptr;
};

/// A call on a descriptor that moves up to `size` bytes; `call` is told how many it may.
template <typename Call>
ssize_t moving(Group group, const char* name, int fd, std::size_t size, Call call) {
  auto& faults = Faults::instance();
  if (!faults.wants(group)) return call(size);
  const auto place = file_calls::place_of(fd);
  if (!place.starts_with('/')) return call(size);
  const auto allowed = faults.strike(name, AT_FDCWD, place.c_str(), size);
  return allowed < 0 ? -1 : call(static_cast<std::size_t>(allowed));
}

template <typename Call>
int on_file(Group group, const char* name, int fd, Call call) {
  return static_cast<int>(moving(group, name, fd, 0, [&](std::size_t) { return call(); }));
}

template <typename Call>
int on_path(Group group, const char* name, int folder, const char* path, Call call) {
  auto& faults = Faults::instance();
  if (faults.wants(group) && faults.strike(name, folder, path) < 0) return -1;
  return static_cast<int>(call());
}

int open_any(int folder, const char* path, int flags, mode_t mode) {
  const bool makes = (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  return on_path(makes ? make_file : open_file, makes ? "open (to make)" : "open", folder, path,
                 [&] { return ::syscall(SYS_openat, folder, path, flags, mode); });
}

/// The pieces, up to `size` bytes of them.
class Pieces {
public:
  Pieces(const iovec* pieces, int count) : m_pieces(pieces), m_count(count) {}

  std::size_t size() const {
    std::size_t out = 0;
    for (int i = 0; i < m_count; ++i) out += m_pieces[i].iov_len;
    return out;
  }

  /// One piece of that size at most; enough for a call that may move less than asked.
  iovec head(std::size_t size_max) const {
    int i = 0;
    while (i + 1 < m_count && m_pieces[i].iov_len == 0) ++i;
    return {m_pieces[i].iov_base, std::min(m_pieces[i].iov_len, size_max)};
  }

private:
  const iovec* m_pieces;
  int m_count;
};

ssize_t move_pieces(Group group, const char* name, long number, int fd, const iovec* list, int count, off_t at,
                    int flags) {
  const Pieces pieces(list, count);
  const auto size = pieces.size();
  return moving(group, name, fd, size, [&](std::size_t allowed) {
    const auto head = pieces.head(allowed);
    return allowed == size ? ::syscall(number, fd, list, count, at, 0L, flags)
                           : ::syscall(number, fd, &head, 1, at, 0L, flags);
  });
}

}  // namespace

extern "C" {

// ---- open and make

int open(const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_any(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_any(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_any(folder, path, flags, mode);
}
int openat64(int folder, const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_any(folder, path, flags, mode);
}
int __open_2(const char* path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }
int __open64_2(const char* path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }
int mkdir(const char* path, mode_t mode) noexcept { return ::mkdirat(AT_FDCWD, path, mode); }
int mkdirat(int folder, const char* path, mode_t mode) noexcept {
  return on_path(name_file, "mkdir", folder, path, [&] { return ::syscall(SYS_mkdirat, folder, path, mode); });
}
int link(const char* from, const char* to) noexcept { return ::linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int folder, const char* from, int folder2, const char* to, int flags) noexcept {
  return on_path(name_file, "link", folder2, to,
                 [&] { return ::syscall(SYS_linkat, folder, from, folder2, to, flags); });
}
int rename(const char* from, const char* to) noexcept { return ::renameat(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int folder, const char* from, int folder2, const char* to) noexcept {
  return on_path(name_file, "rename", folder2, to, [&] { return ::syscall(SYS_renameat, folder, from, folder2, to); });
}
int unlink(const char* path) noexcept { return ::unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char* path) noexcept { return ::unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int folder, const char* path, int flags) noexcept {
  return on_path(remove_file, "unlink", folder, path, [&] { return ::syscall(SYS_unlinkat, folder, path, flags); });
}

// ---- write and flush

ssize_t write(int fd, const void* data, std::size_t size) {
  return moving(write_file, "write", fd, size, [&](std::size_t n) { return ::syscall(SYS_write, fd, data, n); });
}
ssize_t pwrite(int fd, const void* data, std::size_t size, off_t at) {
  return moving(write_file, "pwrite", fd, size,
                [&](std::size_t n) { return ::syscall(SYS_pwrite64, fd, data, n, at); });
}
ssize_t pwrite64(int fd, const void* data, std::size_t size, off_t at) { return ::pwrite(fd, data, size, at); }
ssize_t writev(int fd, const iovec* pieces, int count) {
  return move_pieces(write_file, "writev", SYS_writev, fd, pieces, count, 0, 0);
}
ssize_t pwritev(int fd, const iovec* pieces, int count, off_t at) {
  return move_pieces(write_file, "pwritev", SYS_pwritev, fd, pieces, count, at, 0);
}
ssize_t pwritev64(int fd, const iovec* pieces, int count, off_t at) { return ::pwritev(fd, pieces, count, at); }
int ftruncate(int fd, off_t size) noexcept {
  return on_file(truncate_file, "ftruncate", fd, [&] { return ::syscall(SYS_ftruncate, fd, size); });
}
int ftruncate64(int fd, off_t size) noexcept { return ::ftruncate(fd, size); }
int fallocate(int fd, int mode, off_t from, off_t size) {
  return on_file(truncate_file, "fallocate", fd, [&] { return ::syscall(SYS_fallocate, fd, mode, from, size); });
}
int fallocate64(int fd, int mode, off_t from, off_t size) { return ::fallocate(fd, mode, from, size); }
int posix_fallocate(int fd, off_t from, off_t size) { return ::fallocate(fd, 0, from, size) < 0 ? errno : 0; }
int posix_fallocate64(int fd, off_t from, off_t size) { return ::posix_fallocate(fd, from, size); }
int fsync(int fd) {
  return on_file(flush_file, "fsync", fd, [&] { return ::syscall(SYS_fsync, fd); });
}
int fdatasync(int fd) {
  return on_file(flush_file, "fdatasync", fd, [&] { return ::syscall(SYS_fdatasync, fd); });
}

// ---- read and look

ssize_t read(int fd, void* data, std::size_t size) {
  return moving(read_file, "read", fd, size, [&](std::size_t n) { return ::syscall(SYS_read, fd, data, n); });
}
ssize_t pread(int fd, void* data, std::size_t size, off_t at) {
  return moving(read_file, "pread", fd, size, [&](std::size_t n) { return ::syscall(SYS_pread64, fd, data, n, at); });
}
ssize_t pread64(int fd, void* data, std::size_t size, off_t at) { return ::pread(fd, data, size, at); }
ssize_t preadv2(int fd, const iovec* pieces, int count, off_t at, int flags) {
  return move_pieces(read_file, "preadv2", SYS_preadv2, fd, pieces, count, at, flags);
}
ssize_t preadv64v2(int fd, const iovec* pieces, int count, off64_t at, int flags) {
  return ::preadv2(fd, pieces, count, at, flags);
}
ssize_t sendfile(int out, int in, off_t* at, std::size_t size) noexcept {
  return moving(read_file, "sendfile", in, size,
                [&](std::size_t n) { return ::syscall(SYS_sendfile, out, in, at, n); });
}
ssize_t sendfile64(int out, int in, off64_t* at, std::size_t size) noexcept { return ::sendfile(out, in, at, size); }
int access(const char* path, int mode) noexcept {
  return on_path(look_at_file, "access", AT_FDCWD, path,
                 [&] { return ::syscall(SYS_faccessat, AT_FDCWD, path, mode); });
}
int stat(const char* path, struct stat* status) noexcept {
  return on_path(look_at_file, "stat", AT_FDCWD, path,
                 [&] { return ::syscall(SYS_newfstatat, AT_FDCWD, path, status, 0); });
}
int lstat(const char* path, struct stat* status) noexcept {
  return on_path(look_at_file, "lstat", AT_FDCWD, path,
                 [&] { return ::syscall(SYS_newfstatat, AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW); });
}
int fstat(int fd, struct stat* status) noexcept {
  return on_file(look_at_file, "fstat", fd, [&] { return ::syscall(SYS_fstat, fd, status); });
}
int stat64(const char* path, struct stat64* status) noexcept {
  return ::stat(path, reinterpret_cast<struct stat*>(status));  // the same on 64 bits
}
int lstat64(const char* path, struct stat64* status) noexcept {
  return ::lstat(path, reinterpret_cast<struct stat*>(status));
}
int fstat64(int fd, struct stat64* status) noexcept { return ::fstat(fd, reinterpret_cast<struct stat*>(status)); }
void* mmap(void* at, std::size_t size, int protection, int flags, int fd, off_t from) noexcept {
  if (fd >= 0 && on_file(map_file, "mmap", fd, [] { return 0; }) < 0) return MAP_FAILED;
  return reinterpret_cast<void*>(::syscall(SYS_mmap, at, size, protection, flags, fd, from));
}
void* mmap64(void* at, std::size_t size, int protection, int flags, int fd, off_t from) noexcept {
  return ::mmap(at, size, protection, flags, fd, from);
}
}
