#include "moving/oci_layout.hpp"

#include "base/json.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace slipway::moving {
namespace {

namespace fs = std::filesystem;

constexpr const char* ref_name = "org.opencontainers.image.ref.name";
constexpr const char* layout_text = "{\"imageLayoutVersion\":\"1.0.0\"}";
constexpr std::string_view part_prefix = ".slipway-part-";
constexpr std::size_t index_bytes_max = 256U << 20;  // some hundred thousand tags
constexpr std::array<Algorithm, 2> algorithms = {Algorithm::sha256, Algorithm::sha512};

Result<> make_directories(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? fail_errno(error.value(), "making " + path.string()) : Result<>();
}

/// Of an image layout, or of nothing yet.
Result<> expect_layout(const fs::path& directory) {
  std::error_code error;
  if (fs::exists(directory / "oci-layout", error) || fs::is_empty(directory, error)) return {};
  if (error) return fail_errno(error.value(), "looking into " + directory.string());
  return fail(Failure::conflict,
              directory.string() + " is neither empty nor an OCI image layout: choose another directory");
}

std::string name_of_entry(const Json& entry) {
  const auto annotations = entry.find("annotations");
  return annotations == entry.end() || !annotations->is_object() ? std::string() : string_at(*annotations, ref_name);
}

}  // namespace

Result<std::unique_ptr<OciLayout>> OciLayout::open(const fs::path& directory) {
  TRY(make_directories(directory));
  TRY(expect_layout(directory));
  TRY_ASSIGN(Fd lock, open_file(directory, O_RDONLY | O_DIRECTORY));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) < 0)
    return errno == EWOULDBLOCK ? fail(Failure::busy, "another process writes to " + directory.string())
                                : fail_errno(errno, "locking " + directory.string());
  std::unique_ptr<OciLayout> layout(new OciLayout(directory, std::move(lock)));
  TRY(layout->begin());
  TRY(layout->read_index());
  return layout;
}

/// Also takes away what a killed process left half written.
Result<> OciLayout::begin() {
  for (const auto algorithm : algorithms) {
    const auto folder = m_directory / "blobs" / name_of(algorithm);
    TRY(make_directories(folder));
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
      if (at->path().filename().string().starts_with(part_prefix)) ::unlink(at->path().c_str());
    if (error) return fail_errno(error.value(), "looking into " + folder.string());
  }
  TRY(sync_directory(m_directory / "blobs"));
  std::error_code error;
  if (fs::exists(m_directory / "oci-layout", error)) return {};
  return write_file_atomically(m_directory / "oci-layout", layout_text, 0644);
}

/// What it lists stays listed.
Result<> OciLayout::read_index() {
  const auto file = m_directory / "index.json";
  const auto text = read_file(file, index_bytes_max);
  if (!text && text.error().failure == Failure::not_found) return {};
  if (!text) return std::unexpected(text.error());
  const auto json = parse_json(*text, {.size_max = index_bytes_max});
  if (!json || !json->is_object() || !json->contains("manifests") || !(*json)["manifests"].is_array())
    return fail(Failure::corrupt, file.string() + " is not the index of an OCI image layout");
  for (const auto& entry : (*json)["manifests"]) {
    const auto digest = entry.is_object() ? string_at(entry, "digest") : std::string();
    if (digest.empty()) return fail(Failure::corrupt, file.string() + " lists something without a digest");
    const auto name = name_of_entry(entry);
    (name.empty() ? m_nameless[digest] : m_named[name]) = entry.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return {};
}

fs::path OciLayout::path_of(const Digest& digest) const {
  return m_directory / "blobs" / name_of(digest.algorithm()) / to_hex(digest.value());
}

bool OciLayout::has(const Digest& digest, std::uint64_t size) const {
  std::error_code error;
  return fs::file_size(path_of(digest), error) == size && !error;
}

Result<> OciLayout::put(const Digest& digest, const std::function<Result<>(const Sink&)>& fill) {
  const auto path = path_of(digest);
  const auto part = path.parent_path() / fmt::format("{}{}", part_prefix, ++m_parts);
  const auto write = [&]() -> Result<> {
    TRY_ASSIGN(const Fd file, open_file(part, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    std::uint64_t at = 0;
    TRY(fill([&](ByteView piece) -> Result<> {
      auto written = write_all(file.get(), piece, at);
      at += piece.size();
      return written ? written : std::unexpected(written.error().during("writing " + part.string()));
    }));
    if (auto flushed = flush_file(file.get()); !flushed)
      return std::unexpected(flushed.error().during("flushing " + part.string()));
    if (::rename(part.c_str(), path.c_str()) < 0) return fail_errno(errno, "naming " + path.string());
    return {};
  };
  auto written = write();
  if (!written) ::unlink(part.c_str());
  return written;
}

void OciLayout::list(const LayoutEntry& entry) {
  Json json{{"mediaType", entry.media_type}, {"digest", entry.digest.text()}, {"size", entry.size}};
  if (entry.artifact_type) json["artifactType"] = *entry.artifact_type;
  if (!entry.name.empty()) json["annotations"][ref_name] = entry.name;
  auto text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  (entry.name.empty() ? m_nameless[entry.digest.text()] : m_named[entry.name]) = std::move(text);
}

Result<> OciLayout::finish() {
  for (const auto algorithm : algorithms) TRY(sync_directory(m_directory / "blobs" / name_of(algorithm)));
  std::string text = "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[";
  const char* separator = "\n";
  for (const auto* entries : {&m_named, &m_nameless})
    for (const auto& [key, entry] : *entries) {
      text += separator + entry;
      separator = ",\n";
    }
  return write_file_atomically(m_directory / "index.json", text + "\n]}\n", 0644);
}

}  // namespace slipway::moving
