// Admin commands: over HTTP to a running server, or in process on a stopped data directory; the same operations either
// way.

#include "admin/operations.hpp"
#include "base/json.hpp"
#include "cli/ask_server.hpp"
#include "cli/commands.hpp"
#include "cli/data_directory.hpp"
#include "cli/render.hpp"
#include "cli/server_access.hpp"
#include "http/client.hpp"
#include "http/target.hpp"

#include <fmt/core.h>

namespace slipway::cli {

/// The first look at a large git repository, or at every byte of a large store.
constexpr auto longest_operation = std::chrono::minutes(10);

Result<Json> ask_server(const ServerAccess& server, const admin::Operation& operation,
                        const admin::Parameters& parameters) {
  http::ClientRequest request{
      .method = operation.changes ? "POST" : "GET", .url = server.url, .ca_file = server.ca_file};
  request.target = "/api/v1/" + std::string(operation.name);
  if (operation.changes) request.timeout = request.stall_timeout = longest_operation;
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    request.target += separator + http::percent_encode(name) + "=" + http::percent_encode(value);
    separator = '&';
  }
  if (!server.authorization.empty()) request.headers.push_back("Authorization: " + server.authorization);
  TRY_ASSIGN(const auto response, http::fetch(request));
  const auto json = parse_json(response.body, {.size_max = 64U << 20});
  if (response.status == 200 && json) return *json;
  const auto message = json ? string_at(*json, "error") : std::string();
  if (response.status == 401)
    return fail(Failure::denied,
                server.url + " wants credentials: " + ways_to_log_in + (message.empty() ? "" : " (" + message + ")"));
  return fail(Failure::io, message.empty()
                               ? fmt::format("{} answered {}; is that a Slipway server?", server.url, response.status)
                               : message);
}

namespace {

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
    const auto server = find_server(common, target);
    if (!server) return report(server.error());
    answer = ask_server(*server, *operation, parameters);
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
