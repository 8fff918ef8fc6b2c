#include "publish/source_folder.hpp"

#include "support/temp_directory.hpp"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace slipway::publish {
namespace {

namespace fs = std::filesystem;

class SourceFolderTest : public testing::Test {
protected:
  void write(const std::string& path, const std::string& text = "x") {
    fs::create_directories((m_root / path).parent_path());
    m_directory.write("root/" + path, text);
  }
  void link(const std::string& target, const std::string& path) {
    fs::create_directories((m_root / path).parent_path());
    fs::create_symlink(target, m_root / path);
  }

  /// The paths in their order, or what is wrong.
  std::string walk(std::vector<std::string> exclude = {}) {
    m_warnings.clear();
    auto folder =
        SourceFolder::open(m_root, {.exclude = std::move(exclude),
                                    .on_warning = [this](const std::string& text) { m_warnings.push_back(text); }});
    if (!folder) return folder.error().message;
    std::vector<std::string> out;
    for (;;) {
      const auto file = folder->next();
      if (!file) return file.error().message;
      if (!*file) return fmt::format("{}", fmt::join(out, " "));
      out.push_back((*file)->path);
      for (const auto& [coding, stamp] : (*file)->variants) out.back() += fmt::format("+{}", name_of(coding));
    }
  }

  test::TempDirectory m_directory;
  const fs::path m_root = m_directory / "root";
  std::vector<std::string> m_warnings;
};

TEST_F(SourceFolderTest, FilesComeInTheOrderOfATree) {
  for (const auto* path : {"b", "a/z", "a/b/c", "a.html", "a-b", "a0", "z/1"}) write(path);
  fs::create_directories(m_root / "empty/below");
  EXPECT_EQ(walk(), "a-b a.html a/b/c a/z a0 b z/1");
}

TEST_F(SourceFolderTest, NoFolderAndNoFileAreTold) {
  EXPECT_EQ(SourceFolder::open(m_root / "absent", {}).error().failure, Failure::not_found);
  write("file");
  EXPECT_FALSE(SourceFolder::open(m_root / "file", {}));
}

TEST_F(SourceFolderTest, LinksWithinAreFollowed) {
  write("real/page.html");
  link("real", "folder");
  link("real/page.html", "page.html");
  link("../page.html", "deep/page.html");
  EXPECT_EQ(walk(), "deep/page.html folder/page.html page.html real/page.html");
}

TEST_F(SourceFolderTest, LinksThatLeadOutAreRefused) {
  m_directory.write("secret", "x");
  for (const auto* target : {"../secret", "/etc/passwd", "../../etc/passwd", "a/../../secret", "..", "/"}) {
    write("a/file");
    link(target, "way-out");
    EXPECT_NE(walk().find("'way-out' is a link that leads out of the folder"), std::string::npos) << target << walk();
    fs::remove(m_root / "way-out");
  }
}

TEST_F(SourceFolderTest, LinksThatLeadNowhereAreRefused) {
  link("absent", "link");
  EXPECT_NE(walk().find("'link' is a link to nothing"), std::string::npos) << walk();
}

TEST_F(SourceFolderTest, CirclesAreRefused) {
  link("b", "a");
  link("a", "b");
  EXPECT_NE(walk().find("round in a circle"), std::string::npos) << walk();
  fs::remove(m_root / "a");
  fs::remove(m_root / "b");
  link("..", "folder/up");
  EXPECT_NE(walk().find("'folder/up/' is a link to a folder that it lies in"), std::string::npos) << walk();
}

TEST_F(SourceFolderTest, WhatIsNoFileIsRefused) {
  fs::create_directories(m_root);
  ASSERT_EQ(::mkfifo((m_root / "pipe").c_str(), 0600), 0);
  EXPECT_NE(walk().find("'pipe' is neither a file nor a folder"), std::string::npos);
  EXPECT_EQ(walk({"pipe"}), "");
}

TEST_F(SourceFolderTest, NamesThatCannotBeArePrintable) {
  write("caf\xe9");
  EXPECT_NE(walk().find("caf\\xe9"), std::string::npos) << walk();
  fs::remove(m_root / "caf\xe9");
  write("back\\slash");
  EXPECT_NE(walk().find("back"), std::string::npos);
  fs::remove(m_root / "back\\slash");
  write("@sha256:0/file");
  EXPECT_NE(walk().find("@sha256:"), std::string::npos);
}

TEST_F(SourceFolderTest, WhatIsExcludedIsNotLookedAt) {
  for (const auto* path : {"a.tmp", "b/c.tmp", "b/d", "drafts/e", "f/drafts/g", ".git/config"}) write(path);
  link("/etc", "drafts/out");
  EXPECT_EQ(walk({"*.tmp", "drafts"}), "b/d");
  EXPECT_EQ(m_warnings, std::vector<std::string>{"'.git' is left out"});
  EXPECT_EQ(walk({"drafts/out", "b/*"}), "a.tmp drafts/e f/drafts/g");
}

TEST_F(SourceFolderTest, NamesThatDifferInCapitalsAreTold) {
  for (const auto* path : {"a/README", "a/readme", "b/README"}) write(path);
  EXPECT_EQ(walk(), "a/README a/readme b/README");
  EXPECT_EQ(m_warnings, std::vector<std::string>{"'a/readme' differs from another name in capital letters only"});
}

TEST_F(SourceFolderTest, WhatMayBeAVariantIsTold) {
  for (const auto* path : {"a.js", "a.js.gz", "a.js.br", "a.js.zst", "b.js.gz", "c.js", "c.js.gz/file"}) write(path);
  EXPECT_EQ(walk(), "a.js+br+zstd+gzip a.js.br a.js.gz a.js.zst b.js.gz c.js c.js.gz/file");
}

TEST_F(SourceFolderTest, FilesAreOpenedWithinOnly) {
  write("file");
  const auto folder = SourceFolder::open(m_root, {}).value();
  link("/etc/passwd", "out");  // since it was looked at
  const auto file = folder.open_file("file");
  ASSERT_TRUE(file);
  EXPECT_EQ(SourceFolder::stamp_of(*file)->size, 1U);
  for (const auto* path : {"out", "../secret", "/etc/passwd", "absent"}) EXPECT_FALSE(folder.open_file(path)) << path;
}

TEST_F(SourceFolderTest, AStampTellsThatAFileWasWrittenTo) {
  write("file", "one");
  const auto folder = SourceFolder::open(m_root, {}).value();
  const auto file = folder.open_file("file").value();
  const auto before = SourceFolder::stamp_of(file).value();
  EXPECT_EQ(SourceFolder::stamp_of(file).value(), before);
  write("file", "three");
  EXPECT_NE(SourceFolder::stamp_of(folder.open_file("file").value()).value(), before);
}

TEST_F(SourceFolderTest, IsOfNoEndlessDepth) {
  std::string path;
  for (int i = 0; i < 201; ++i) path += "d/";
  write(path + "f");
  EXPECT_NE(walk().find("folders deep"), std::string::npos) << walk();
}

}  // namespace
}  // namespace slipway::publish
