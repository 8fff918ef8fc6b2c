#include "base/fd.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace slipway {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    m_fd = other.release();
  }
  return *this;
}

void Fd::reset() {
  if (m_fd >= 0) ::close(release());
}

/// Calls `operation` until it does not fail with EINTR.
template <typename Operation>
static auto retrying(Operation operation) {
  auto result = operation();
  while (result < 0 && errno == EINTR) result = operation();
  return result;
}

Result<Fd> open_file(const std::filesystem::path& path, int flags, unsigned mode) {
  Fd fd(retrying([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); }));
  if (!fd) return fail_errno(errno, "opening " + path.string());
  return fd;
}

Result<> write_all(int fd, ByteView bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto n = retrying([&] { return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    if (n < 0) return fail_errno(errno, "writing");
    if (n == 0) return fail(Failure::io, "writing: the file accepts no more bytes");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<std::size_t> read_some(int fd, std::span<std::byte> out, std::uint64_t offset) {
  std::size_t total = 0;
  while (total < out.size()) {
    const auto n = retrying(
        [&] { return ::pread(fd, out.data() + total, out.size() - total, static_cast<off_t>(offset + total)); });
    if (n < 0) return fail_errno(errno, "reading");
    if (n == 0) break;
    total += static_cast<std::size_t>(n);
  }
  return total;
}

Result<std::size_t> read_some(const FileSlice& slice, std::span<std::byte> out, std::uint64_t offset) {
  const auto size = std::min<std::uint64_t>(out.size(), slice.range.length - std::min(offset, slice.range.length));
  const auto wanted = ByteRange{slice.range.offset + offset, size};
  if (slice.filling) TRY(slice.filling->fill(wanted));
  return read_some(slice.file->get(), out.first(size), wanted.offset);
}

Result<> flush_file(int fd) {
  if (retrying([&] { return ::fdatasync(fd); }) < 0) return fail_errno(errno, "flushing");
  return {};
}

Result<> truncate_file(int fd, std::uint64_t size) {
  if (retrying([&] { return ::ftruncate(fd, static_cast<off_t>(size)); }) < 0) return fail_errno(errno, "truncating");
  return {};
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t size_max) {
  TRY_ASSIGN(const Fd fd, open_file(path, O_RDONLY));
  std::string content;
  std::array<std::byte, 16384> buffer;
  for (;;) {
    auto n = read_some(fd.get(), buffer, content.size());
    if (!n) return std::unexpected(n.error().during(path.string()));
    content.append(as_text(ByteView(buffer).first(*n)));
    if (content.size() > size_max)
      return fail(Failure::too_large, path.string() + " is larger than " + human_size(size_max));
    if (*n < buffer.size()) return content;
  }
}

Result<> sync_directory(const std::filesystem::path& directory) {
  TRY_ASSIGN(const Fd fd, open_file(directory, O_RDONLY | O_DIRECTORY));
  if (retrying([&] { return ::fsync(fd.get()); }) < 0)
    return fail_errno(errno, "flushing directory " + directory.string());
  return {};
}

static Result<> write_and_flush(const std::filesystem::path& path, std::string_view content, unsigned mode) {
  TRY_ASSIGN(const Fd fd, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode));
  if (auto written = write_all(fd.get(), as_bytes(content), 0); !written)
    return std::unexpected(written.error().during(path.string()));
  if (retrying([&] { return ::fsync(fd.get()); }) < 0) return fail_errno(errno, "flushing " + path.string());
  return {};
}

Result<> write_file_atomically(const std::filesystem::path& path, std::string_view content, unsigned mode) {
  const std::filesystem::path aside = path.string() + ".new";
  auto written = write_and_flush(aside, content, mode);
  if (written && ::rename(aside.c_str(), path.c_str()) < 0) written = fail_errno(errno, "renaming " + aside.string());
  if (!written) {
    ::unlink(aside.c_str());
    return written;
  }
  return sync_directory(path.parent_path().empty() ? "." : path.parent_path());
}

}  // namespace slipway
