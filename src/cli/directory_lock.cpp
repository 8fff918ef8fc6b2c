#include "cli/directory_lock.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace slipway::cli {

Result<DirectoryLock> DirectoryLock::take(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail_errno(error.value(), "making " + directory.string());
  TRY_ASSIGN(Fd file, open_file(directory / "lock", O_RDWR | O_CREAT));
  if (::flock(file.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK) return fail_errno(errno, "locking " + directory.string());
    const auto holder = read_file(directory / "lock", 64).value_or("");
    return fail(Failure::busy,
                fmt::format("{} is in use by process {}: for commands on a running server use --server URL",
                            directory.string(), holder.empty() ? "?" : holder));
  }
  // Only for the message above, so a full disk need not keep us from serving; the lock itself ends with the process,
  // however that ends.
  const auto pid = std::to_string(::getpid());
  if (::ftruncate(file.get(), 0) == 0) static_cast<void>(write_all(file.get(), as_bytes(pid), 0));
  return DirectoryLock(std::move(file));
}

}  // namespace slipway::cli
