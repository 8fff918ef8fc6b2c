#include "cli/server_access.hpp"

#include "base/fd.hpp"
#include "base/json.hpp"

#include <cstdlib>
#include <openssl/evp.h>

namespace slipway::cli {
namespace {

std::string or_environment(const std::string& given, const char* variable) {
  if (!given.empty()) return given;
  const char* value = std::getenv(variable);
  return value ? value : "";
}

/// Where the configured server is: what it announced in its data directory, else its first listen address.
std::string configured_server(const Config& config) {
  if (const auto announced = read_file(config.data / "server.json", 65536)) {
    const auto json = parse_json(*announced);
    if (json && json->contains("listen") && !(*json)["listen"].empty() && (*json)["listen"][0].is_string())
      return (*json)["listen"][0];
  }
  const auto& first = config.listen.front();
  if (first.find("://") != first.npos || first.starts_with("unix:")) return first;
  return (config.tls_certificate.empty() ? "http://" : "https://") + first;
}

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const auto size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

/// What `docker login`, `podman login --compat-auth-file` and others have left for a host; empty where they have not.
/// Helpers that keep passwords elsewhere are not asked.
std::string docker_login(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == url.npos) return {};
  const auto host = url.substr(scheme + 3, url.find('/', scheme + 3) - scheme - 3);
  const auto folder = or_environment("", "DOCKER_CONFIG");
  const auto home = or_environment("", "HOME");
  if (folder.empty() && home.empty()) return {};
  const auto text = read_file(folder.empty() ? home + "/.docker/config.json" : folder + "/config.json", 1U << 20);
  const auto json = text ? parse_json(*text) : std::unexpected(text.error());
  if (!json || !json->is_object() || !json->contains("auths") || !(*json)["auths"].is_object()) return {};
  const auto found = (*json)["auths"].find(host);
  if (found == (*json)["auths"].end() || !found->is_object()) return {};
  const auto known = string_at(*found, "auth");
  return known.empty() ? std::string() : "Basic " + known;
}

std::string authorization_for(const AdminTarget& target, const std::string& url) {
  const bool is_said = !target.token.empty() || !target.user.empty();
  const auto token = is_said ? target.token : or_environment("", "SLIPWAY_TOKEN");
  if (!token.empty()) return "Bearer " + token;
  const auto user = is_said ? target.user : or_environment("", "SLIPWAY_USER");
  return user.empty() ? docker_login(url) : "Basic " + base64(user);
}

}  // namespace

Result<ServerAccess> find_server(const Common& common, const AdminTarget& target) {
  ServerAccess out{
      .url = or_environment(target.server, "SLIPWAY_SERVER"), .authorization = {}, .ca_file = target.ca_file};
  if (out.url.empty()) {
    TRY_ASSIGN(const auto config, load_config(common));
    out.url = configured_server(config);
  }
  if (out.url.find("://") == out.url.npos && !out.url.starts_with("unix:")) out.url = "http://" + out.url;
  out.authorization = authorization_for(target, out.url);
  return out;
}

}  // namespace slipway::cli
