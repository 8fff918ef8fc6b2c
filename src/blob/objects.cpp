#include "blob/objects.hpp"

#include "base/fd.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/stat.h>
#include <unistd.h>

namespace slipway::blob {
namespace fs = std::filesystem;

Result<> FileObjects::put(const std::string& name, std::string_view bytes) {
  auto put = write_file_atomically(m_directory / name, bytes);
  if (put || put.error().failure != Failure::not_found) return put;
  if (::mkdir(m_directory.c_str(), 0750) < 0 && errno != EEXIST)
    return fail_errno(errno, "making " + m_directory.string());
  TRY(sync_directory(m_directory.parent_path()));
  return write_file_atomically(m_directory / name, bytes);
}

Result<std::string> FileObjects::get(const std::string& name) {
  return read_file(m_directory / name, object_bytes_max);
}

Result<> FileObjects::remove(const std::string& name) {
  const auto path = m_directory / name;
  if (::unlink(path.c_str()) < 0 && errno != ENOENT) return fail_errno(errno, "removing " + path.string());
  return {};
}

Result<std::vector<NamedObject>> FileObjects::list() {
  std::vector<NamedObject> out;
  std::error_code error;
  for (fs::directory_iterator at(m_directory, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;  // removed since it was listed
    const auto size = at->file_size(gone);
    if (!gone) out.push_back({at->path().filename().string(), size});
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return fail_errno(error.value(), "listing " + m_directory.string());
  std::ranges::sort(out, {}, &NamedObject::name);
  return out;
}

}  // namespace slipway::blob
