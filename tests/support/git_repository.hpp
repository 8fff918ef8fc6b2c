#pragma once
// A git repository with a work tree, for tests that watch one.

#include "base/subprocess.hpp"
#include "support/temp_directory.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace slipway::test {

class GitRepository {
public:
  GitRepository() {
    git({"init", "--quiet", "--initial-branch=main"});
    git({"config", "user.name", "n"});
    git({"config", "user.email", "e@example.org"});
  }

  std::string path() const { return m_directory.path().string(); }

  std::string git(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"git", "-C", path()});
    auto said = run({.arguments = std::move(arguments), .environment = {}, .directory = {}});
    if (!said) throw std::runtime_error(said.error().message);
    return *said;
  }
  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((m_directory.path() / file).parent_path());
    std::ofstream(m_directory.path() / file, std::ios::binary) << text;
  }
  void remove(const std::string& file) const { std::filesystem::remove_all(m_directory.path() / file); }
  void link(const std::string& target, const std::string& file) const {
    std::filesystem::create_symlink(target, m_directory.path() / file);
  }
  /// Its name.
  std::string commit() const {
    git({"add", "--all"});
    git({"commit", "--quiet", "--allow-empty", "--message", "m"});
    return git({"rev-parse", "HEAD"}).substr(0, 40);
  }

private:
  const TempDirectory m_directory;
};

}  // namespace slipway::test
