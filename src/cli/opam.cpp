#include "cli/opam.hpp"

#include "base/version.hpp"

namespace slipway::cli {

constexpr std::size_t secret_bytes_max = 4096;
constexpr std::size_t secret_bytes_least = 16;

Result<opam::RepositoriesOptions> opam_options_of(const Config& config, const std::filesystem::path& data) {
  opam::RepositoriesOptions out;
  for (const auto& text : config.opam_repositories) {
    TRY_ASSIGN(auto place, opam::parse_source_place(text));
    out.places.push_back(std::move(place));
  }
  out.repository.poll = config.opam_poll;
  out.repository.wait = config.opam_wait;
  out.repository.with_dates = config.opam_dates;
  out.repository.directory = data / "opam";
  out.repository.sources.download.may_be_private = config.opam_private_sources;
  out.repository.sources.download.user_agent = "slipway/" + std::string(version());
  return out;
}

Result<std::string> read_hook_secret(const Config& config) {
  if (config.opam_hook_secret_file.empty()) return std::string();
  auto text = read_file(config.opam_hook_secret_file, secret_bytes_max);
  if (!text) return std::unexpected(text.error().during("opam.hook_secret_file"));
  text->resize(text->find_last_not_of(" \t\r\n") + 1);
  if (text->size() < secret_bytes_least)
    return fail(Failure::invalid, "opam.hook_secret_file: a secret has at least 16 characters (openssl rand -hex 32)");
  return text;
}

http::Asking ask_registry(oci::Registry& registry, std::string who) {
  return [&registry, who = std::move(who)](const http::ClientRequest& request) {
    return http::ask(
        [&](http::Request& incoming) {
          return registry.handle_as(incoming, {.name = who, .anonymous = false, .admin = true});
        },
        request);
  };
}

}  // namespace slipway::cli
