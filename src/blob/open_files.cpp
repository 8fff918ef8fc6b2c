#include "blob/open_files.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace slipway::blob {

Result<std::uint64_t> size_of(const Fd& file) {
  struct stat status{};
  if (::fstat(file.get(), &status) < 0) return fail_errno(errno, "looking at an open file");
  return static_cast<std::uint64_t>(status.st_size);
}

Result<OpenFile> OpenFiles::open(std::uint64_t number, const std::function<std::filesystem::path()>& path) {
  const auto now = Clock::now();
  {
    const std::lock_guard lock(m_mutex);
    if (const auto* known = m_known.find(number); known && now - known->at < age_max) return known->opened;
  }
  TRY_ASSIGN(Fd file, open_file(path(), O_RDONLY));
  TRY_ASSIGN(const auto size, size_of(file));
  OpenFile out{std::make_shared<const Fd>(std::move(file)), size};
  const std::lock_guard lock(m_mutex);
  m_known.put(number, {out, now}, 0);
  return out;
}

void OpenFiles::forget(std::uint64_t number) {
  const std::lock_guard lock(m_mutex);
  m_known.erase(number);
}

}  // namespace slipway::blob
