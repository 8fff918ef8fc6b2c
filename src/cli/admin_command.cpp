// Admin commands: over HTTP to a running server, or in process on a stopped data directory; the same operations either
// way.

#include "admin/operations.hpp"
#include "base/json.hpp"
#include "cli/commands.hpp"
#include "cli/data_directory.hpp"
#include "cli/render.hpp"
#include "http/address.hpp"
#include "http/client.hpp"
#include "http/target.hpp"

#include <cstdlib>
#include <fmt/core.h>

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

Result<Json> ask_server(const std::string& url, const AdminTarget& target, const admin::Operation& operation,
                        const admin::Parameters& parameters) {
  http::ClientRequest request{.method = operation.changes ? "POST" : "GET", .url = url, .ca_file = target.ca_file};
  request.target = "/api/v1/" + std::string(operation.name);
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    request.target += separator + http::percent_encode(name) + "=" + http::percent_encode(value);
    separator = '&';
  }
  if (const auto token = or_environment(target.token, "SLIPWAY_TOKEN"); !token.empty())
    request.headers.push_back("Authorization: Bearer " + token);
  TRY_ASSIGN(const auto response, http::fetch(request));
  const auto json = parse_json(response.body, {.size_max = 64U << 20});
  if (response.status == 200 && json) return *json;
  const auto message = json ? string_at(*json, "error") : std::string();
  if (response.status == 401)
    return fail(Failure::denied, url + " wants credentials: give the admin token by --token or SLIPWAY_TOKEN" +
                                     (message.empty() ? "" : " (" + message + ")"));
  return fail(Failure::io, message.empty()
                               ? fmt::format("{} answered {}; is that a Slipway server?", url, response.status)
                               : message);
}

Result<Json> run_in_process(const Common& common, const std::filesystem::path& data, const admin::Operation& operation,
                            const admin::Parameters& parameters) {
  const SystemClock clock;
  TRY_ASSIGN(auto config, load_config(common));
  config.data = data;
  TRY_ASSIGN(const auto directory, DataDirectory::open(config, clock, false));
  admin::Instance instance{.catalog = directory->catalog(),
                           .store = directory->store(),
                           .journal = catalog::Journal(directory->database()),
                           .journal_objects = directory->journal(),
                           .clock = clock,
                           .data = directory->path(),
                           .urls = {},
                           .started_at = {}};
  return operation.run(instance, parameters, "local");
}

}  // namespace

int run_admin(const Common& common, const AdminTarget& target, const std::string& name,
              const std::map<std::string, std::string>& parameters) {
  const auto* operation = admin::operation_named(name);
  SLIPWAY_INVARIANT(operation != nullptr);
  Result<Json> answer;
  if (!target.data.empty()) {
    answer = run_in_process(common, target.data, *operation, parameters);
  } else {
    auto server = or_environment(target.server, "SLIPWAY_SERVER");
    if (server.empty()) {
      const auto config = load_config(common);
      if (!config) return report(config.error());
      server = configured_server(*config);
    }
    answer = ask_server(server, target, *operation, parameters);
  }
  if (!answer) return report(answer.error());
  if (common.json)
    fmt::print("{}\n", answer->dump(2, ' ', false, Json::error_handler_t::replace));
  else
    render(name, *answer);
  // The doctor's findings are an answer, but a script should see an ill patient in the exit code.
  return name == "doctor" && !answer->value("healthy", true) ? exit_failed : exit_done;
}

}  // namespace slipway::cli
