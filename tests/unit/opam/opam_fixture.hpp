#pragma once
// A git repository that is published to a registry in this process.

#include "oci/registry.hpp"
#include "opam/sync.hpp"
#include "publish/remote_tree.hpp"
#include "support/git_repository.hpp"
#include "support/storage.hpp"

#include <fmt/format.h>

namespace slipway::opam {

class OpamFixture : public testing::Test, protected test::Storage {
protected:
  OpamFixture() {
    m_git.write("repo", "browse: \"b\"\n");
    m_git.write("README.md", "not published");
    add("a", "1");
  }
  void add(const std::string& name, const std::string& version, const std::string& synopsis = "s") {
    m_git.write(path(name, version), fmt::format("synopsis: \"{}\"\n", synopsis));
  }
  static std::string path(const std::string& name, const std::string& version) {
    return fmt::format("packages/{0}/{0}.{1}/opam", name, version);
  }

  upstream::GitClone open_clone(const std::string& name = "clone") {
    return upstream::GitClone::open((m_directory / name).string(), {m_git.path(), "main"}).value();
  }
  Result<SyncReport> sync(upstream::GitClone& clone) { return opam::sync(clone, m_client, {.source = "https://git"}); }
  SyncReport sync() {
    auto report = sync(m_clone);
    EXPECT_TRUE(report) << report.error().message;
    return report.value_or(SyncReport());
  }

  std::map<std::string, std::string> contents() {
    const auto tree = publish::RemoteTree::open(m_client, "live").value();
    std::map<std::string, std::string> out;
    EXPECT_TRUE(tree.for_each("", [&](const publish::File& file) -> Result<> {
      out[file.path] = m_client.blob(file.digest, 1U << 24).value();
      return {};
    }));
    return out;
  }
  std::vector<std::string> paths() {
    std::vector<std::string> out;
    for (const auto& [path, text] : contents()) out.push_back(path);
    return out;
  }
  const test::GitRepository m_git;
  std::unique_ptr<access::Access> m_access =
      std::move(access::Access::open({.anonymous = access::Anonymous::everything}).value());
  oci::Registry m_registry{*m_catalog, m_store, m_bytes.identity().value(), *m_access, {}};
  publish::RegistryClient m_client{
      [this](const http::ClientRequest& request) {
        return http::ask([this](http::Request& incoming) { return m_registry.handle(incoming); }, request);
      },
      {.url = "here", .repository = "opam", .authorization = {}, .ca_file = {}}};
  upstream::GitClone m_clone = open_clone();
};

}  // namespace slipway::opam
