#include "cli/local_files.hpp"

#include "base/random.hpp"

#include <fcntl.h>

namespace slipway::cli {

namespace fs = std::filesystem;

bool is_there(const fs::path& path, const Digest& digest, std::uint64_t size) {
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(path, error)) || fs::file_size(path, error) != size) return false;
  const auto opened = open_file(path, O_RDONLY);
  if (!opened) return false;
  Hasher hasher(digest.algorithm());
  std::vector<std::byte> buffer(256U << 10);
  for (std::uint64_t at = 0;;) {
    const auto n = read_some(opened->get(), buffer, at);
    if (!n) return false;
    if (*n == 0) return hasher.digest() == digest;
    hasher.update(ByteView(buffer).first(*n));
    at += *n;
  }
}

Result<> write_aside(const fs::path& path, const std::function<Result<>(int fd)>& write) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) return fail_errno(error.value(), "making " + path.parent_path().string());
  const auto aside = path.parent_path() / (".slipway-" + random_hex(8));
  auto written = [&]() -> Result<> {
    TRY_ASSIGN(const auto out, open_file(aside, O_WRONLY | O_CREAT | O_EXCL, 0666));
    return write(out.get());
  }();
  if (written) {
    fs::rename(aside, path, error);
    if (!error) return {};
    written = fail_errno(error.value(), "writing " + path.string());
  }
  fs::remove(aside, error);
  return written;
}

Result<> fetch_file(publish::RegistryClient& client, const fs::path& path, const Digest& digest, std::uint64_t size) {
  constexpr unsigned attempts = 3;
  for (unsigned attempt = 1;; ++attempt) {
    auto fetched = write_aside(path, [&](int fd) {
      return client.read_blob(digest, size, [&, at = std::uint64_t{0}](ByteView piece) mutable -> Result<> {
        TRY(write_all(fd, piece, at));
        at += piece.size();
        return {};
      });
    });
    if (fetched || !http::may_pass(fetched.error()) || attempt == attempts) return fetched;
  }
}

}  // namespace slipway::cli
