#include "moving/source_tree.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <vector>

namespace slipway::moving {
namespace {

namespace fs = std::filesystem;

bool is_absent(const std::error_code& error) {
  return error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
}

/// Of a regular file, or the error that names it.
struct OpenFile {
  Fd file;
  std::uint64_t size = 0;
};

/// Whatever else has that name is not waited for, as a pipe would be.
Result<OpenFile> open_regular(const fs::path& path) {
  TRY_ASSIGN(Fd file, open_file(path, O_RDONLY | O_NONBLOCK));
  struct stat status{};
  if (::fstat(file.get(), &status) < 0) return fail_errno(errno, "looking at " + path.string());
  if (!S_ISREG(status.st_mode)) return fail(Failure::invalid, path.string() + " is not a file");
  return OpenFile{std::move(file), static_cast<std::uint64_t>(status.st_size)};
}

class Directory final : public SourceTree {
public:
  explicit Directory(fs::path root) : m_root(std::move(root)) {}

  Result<> folders(const std::string& folder, const std::function<Result<>(const Folder&)>& each) override {
    std::error_code error;
    const auto path = m_root / folder;
    fs::directory_iterator at(path, error);
    if (is_absent(error)) return {};
    for (; !error && at != fs::directory_iterator(); at.increment(error)) {
      std::error_code ignored;  // what cannot be looked at is no folder
      if (at->is_directory(ignored)) TRY(each({at->path().filename().string(), at->is_symlink(ignored)}));
    }
    return error ? fail_errno(error.value(), "looking into " + path.string()) : Result<>();
  }

  Result<std::string> read(const std::string& file, std::size_t size_max) override {
    const auto path = m_root / file;
    std::error_code error;
    const auto real = fs::canonical(path, error);
    if (is_absent(error)) return fail(Failure::not_found, path.string() + " is missing");
    if (error) return fail_errno(error.value(), "looking at " + path.string());
    if (std::ranges::mismatch(m_root, real).in1 != m_root.end())
      return fail(Failure::denied, path.string() + " is a link that leads out of " + m_root.string());
    TRY_ASSIGN(const auto opened, open_regular(real));
    if (opened.size > size_max)
      return fail(Failure::too_large, path.string() + " is larger than " + human_size(size_max));
    std::string out(opened.size, '\0');
    TRY_ASSIGN(const auto n, read_some(opened.file.get(), std::as_writable_bytes(std::span(out)), 0));
    out.resize(n);
    return out;
  }

  Result<std::uint64_t> size(const std::string& file) override {
    TRY_ASSIGN(const auto opened, open_regular(m_root / file));
    return opened.size;
  }

  Result<> copy(const std::string& file, std::uint64_t size, const std::function<Result<>(ByteView)>& sink) override {
    TRY_ASSIGN(const auto opened, open_regular(m_root / file));
    ::posix_fadvise(opened.file.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    constexpr std::size_t piece_bytes = 1U << 20;
    std::vector<std::byte> buffer(std::min<std::uint64_t>(piece_bytes, size));
    for (std::uint64_t at = 0; at < size;) {
      const auto wanted = std::min<std::uint64_t>(buffer.size(), size - at);
      TRY_ASSIGN(const auto n, read_some(opened.file.get(), std::span(buffer).first(wanted), at));
      if (n == 0) return fail(Failure::corrupt, (m_root / file).string() + " became shorter");
      TRY(sink(ByteView(buffer).first(n)));
      at += n;
    }
    return {};
  }

private:
  const fs::path m_root;  // canonical
};

class BucketTree final : public SourceTree {
public:
  BucketTree(const s3::BucketUrl& url, std::vector<std::unique_ptr<s3::KeySource>> keys, const Clock& clock)
      : m_prefix(url.prefix), m_keyring(std::move(keys), clock), m_bucket(url.bucket, m_keyring, clock) {}

  Result<> folders(const std::string& folder, const std::function<Result<>(const Folder&)>& each) override {
    return m_bucket.list_folders(m_prefix + folder + (folder.empty() ? "" : "/"),
                                 [&](const std::string& name) { return each({name}); });
  }
  Result<std::string> read(const std::string& file, std::size_t size_max) override {
    return m_bucket.read(m_prefix + file, size_max);
  }
  Result<std::uint64_t> size(const std::string& file) override { return m_bucket.head(m_prefix + file); }
  Result<> copy(const std::string& file, std::uint64_t size, const std::function<Result<>(ByteView)>& sink) override {
    return m_bucket.get(m_prefix + file, {0, size}, sink);
  }

private:
  const std::string m_prefix;  // empty, or with a slash at its end
  s3::Keyring m_keyring;
  s3::Bucket m_bucket;
};

}  // namespace

Result<std::unique_ptr<SourceTree>> SourceTree::open_directory(const std::string& path) {
  std::error_code error;
  auto root = fs::canonical(path, error);
  if (is_absent(error) || (!error && !fs::is_directory(root, error)))
    return fail(Failure::not_found, path + " is not a directory");
  if (error) return fail_errno(error.value(), "looking at " + path);
  return std::make_unique<Directory>(std::move(root));
}

Result<std::unique_ptr<SourceTree>> SourceTree::open_bucket(const std::string& url, const Clock& clock) {
  const auto environment = s3::process_environment();
  TRY_ASSIGN(const auto parsed, s3::parse_bucket_url(url, environment));
  return std::make_unique<BucketTree>(parsed, s3::all_keys(environment, parsed.bucket.region), clock);
}

}  // namespace slipway::moving
