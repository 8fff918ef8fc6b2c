#include "opam/check.hpp"

#include <gmock/gmock.h>

namespace slipway::opam {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class OpamCheckTest : public testing::Test {
protected:
  void add(const std::string& name, const std::string& text) {
    m_list.push_back(std::make_shared<const std::vector<PackageEntry>>(
        1, PackageEntry{{name, "1"}, read_package(parse_file(text, "opam").value())}));
  }
  void add_source(const std::string& name, const std::string& url, const std::string& checksums) {
    add(name, "url { src: \"" + url + "\" checksum: [" + checksums + "] }");
  }
  std::vector<std::string> found() {
    std::vector<std::string> out;
    for (const auto& each : check_sources(m_list))
      out.push_back(std::string(name_of(each.kind)) + " " + each.package.text());
    return out;
  }
  static std::string sha256(char digit) { return "\"sha256=" + std::string(64, digit) + "\" "; }
  static std::string md5(char digit) { return "\"md5=" + std::string(32, digit) + "\" "; }

  PackageList m_list;
};

TEST_F(OpamCheckTest, SaysNothingOfWhatIsRight) {
  add_source("a", "https://h/a", sha256('a') + md5('a'));
  add_source("b", "https://h/a", sha256('a'));  // the same source, and another list
  add("c", "synopsis: \"none\"");
  add_source("d", "git+https://h/d", "");
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(OpamCheckTest, TellsWhatCannotBeVerified) {
  add_source("a", "https://h/a", "");
  add_source("b", "https://h/b", md5('b'));
  add_source("c", "https://h/c", "\"sha1=c\"");
  EXPECT_THAT(found(), ElementsAre("unverifiable a.1", "weak b.1", "invalid c.1", "unverifiable c.1"));
}

TEST_F(OpamCheckTest, TellsWhatDoesNotAgree) {
  add_source("a", "https://h/a", sha256('a'));
  add_source("b", "https://h/b", sha256('a'));
  add_source("c", "https://h/a", sha256('c'));
  EXPECT_THAT(found(), ElementsAre("other-address b.1", "other-bytes c.1"));
  EXPECT_EQ(check_sources(m_list)[0].text,
            "https://h/b has the sha256 of aaaaaaaaaaaa, which a.1 has from https://h/a");
}

}  // namespace
}  // namespace slipway::opam
