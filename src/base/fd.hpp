#pragma once
// File descriptors that close themselves, and the few whole-buffer operations on them. Every function retries EINTR and
// goes on after a short count.

#include "base/bytes.hpp"
#include "base/result.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace slipway {

/// Owns a descriptor; -1 is "none".
class Fd {
public:
  Fd() = default;
  explicit Fd(int fd) : m_fd(fd) {}
  Fd(Fd&& other) noexcept : m_fd(std::exchange(other.m_fd, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }
  int get() const { return m_fd; }
  explicit operator bool() const { return m_fd >= 0; }
  int release() { return std::exchange(m_fd, -1); }
  void reset();

private:
  int m_fd = -1;
};

/// Has bytes of a file come from elsewhere once somebody wants them. Safe to call from any thread.
class Filling {
public:
  virtual ~Filling() = default;
  /// How many bytes the file has from `offset` on.
  virtual std::uint64_t filled(std::uint64_t offset) const = 0;
  /// Returns once the file has these bytes. Fails as the place does that they come from. `progress` is called whenever
  /// more of them came.
  virtual Result<> fill(ByteRange range, const std::function<void()>& progress) = 0;
  Result<> fill(ByteRange range) {
    return fill(range, [] {});
  }
};

/// A part of an open file that several may read at once; the file closes with its last holder.
struct FileSlice {
  std::shared_ptr<const Fd> file;
  ByteRange range;
  std::shared_ptr<Filling> filling = {};  ///< absent: the file has them all
};

/// open(2) with O_CLOEXEC; the error names the path.
Result<Fd> open_file(const std::filesystem::path& path, int flags, unsigned mode = 0640);

Result<> write_all(int fd, ByteView bytes, std::uint64_t offset);
/// Reads up to out.size() bytes; fewer only at the end of the file. Returns how many.
Result<std::size_t> read_some(int fd, std::span<std::byte> out, std::uint64_t offset);
/// The same of a slice, whose beginning is offset 0; waits for bytes that come from elsewhere.
Result<std::size_t> read_some(const FileSlice& slice, std::span<std::byte> out, std::uint64_t offset);

/// fdatasync(2) and ftruncate(2); nothing in the error but what the kernel says.
Result<> flush_file(int fd);
Result<> truncate_file(int fd, std::uint64_t size);

/// A whole file; Failure::too_large past `size_max`.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t size_max);

/// Makes a directory's entries durable.
Result<> sync_directory(const std::filesystem::path& directory);

/// Creates or replaces `path` as one durable step: written aside, flushed, renamed, directory flushed.
Result<> write_file_atomically(const std::filesystem::path& path, std::string_view content, unsigned mode = 0640);

}  // namespace slipway
