#pragma once
// A directory that exists as long as this object does.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace slipway::test {

class TempDirectory {
public:
  TempDirectory() {
    auto pattern = (std::filesystem::temp_directory_path() / "slipway-test-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("no temporary directory can be made");
    m_path = pattern;
  }
  TempDirectory(const TempDirectory&) = delete;
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(m_path, ignored);
  }

  const std::filesystem::path& path() const { return m_path; }
  std::filesystem::path operator/(std::string_view name) const { return m_path / name; }

  /// Makes or replaces a file; returns its path.
  std::filesystem::path write(std::string_view name, std::string_view content) const {
    const auto file = m_path / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
    return file;
  }

private:
  std::filesystem::path m_path;
};

}  // namespace slipway::test
