// slipway publish: a folder becomes what a channel shows.

#include "publish/publisher.hpp"

#include "base/json.hpp"
#include "cli/commands.hpp"
#include "cli/progress.hpp"
#include "cli/server_access.hpp"
#include "cli/tree_place.hpp"

#include <fmt/format.h>

namespace slipway::cli {
namespace {

std::string seconds(std::chrono::steady_clock::duration time) {
  return fmt::format("{:.1f} s", std::chrono::duration<double>(time).count());
}

/// "1 object", "4 objects".
std::string counted(std::uint64_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

int run_publish(const Common& common, const AdminTarget& target, const PublishArguments& arguments) {
  const auto place = parse_channel_place(arguments.place);
  if (!place) return report(place.error());
  const auto server = find_server(common, target);
  if (!server) return report(server.error());
  http::Client connections(arguments.jobs + 1);  // its senders, and who asks
  publish::RegistryClient client([&](const http::ClientRequest& request) { return connections.fetch(request); },
                                 {.url = server->url,
                                  .repository = place->repository,
                                  .authorization = server->authorization,
                                  .ca_file = server->ca_file});
  Progress progress("publishing", 0);
  std::vector<std::string> warnings;
  const auto began = std::chrono::steady_clock::now();
  const auto published =
      publish::publish_folder(arguments.folder, client,
                              {.channel = place->reference,
                               .exclude = arguments.exclude,
                               .jobs = arguments.jobs,
                               .check_all = arguments.check_all,
                               .on_progress =
                                   [&](const publish::PublishProgress& now) {
                                     progress.tell([&] {
                                       return fmt::format("{} files, {} read; {} sent", now.files,
                                                          human_size(now.bytes), human_size(client.cost().bytes));
                                     });
                                   },
                               .on_warning =
                                   [&](const std::string& sentence) {
                                     warnings.push_back(sentence);
                                     progress.say("warning: " + sentence);
                                   }});
  if (!published) return report(published.error());
  const auto cost = client.cost();
  const auto took = std::chrono::steady_clock::now() - began;
  if (common.json) {
    const Json answer{{"repository", place->repository},
                      {"channel", place->reference},
                      {"digest", published->digest.text()},
                      {"from", published->from ? Json(published->from->text()) : Json()},
                      {"moved", published->moved},
                      {"files", published->files},
                      {"bytes", published->bytes},
                      {"sent_objects", cost.objects},
                      {"sent_bytes", cost.bytes},
                      {"requests", cost.requests},
                      {"warnings", warnings}};
    fmt::print("{}\n", answer.dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    fmt::print("{}@{} is at {}{}: {} files, {}; sent {}, {}, in {} and {}\n", place->repository, place->reference,
               published->digest.text(), published->moved ? "" : " already", published->files,
               human_size(published->bytes), counted(cost.objects, "object"), human_size(cost.bytes),
               counted(cost.requests, "request"), seconds(took));
  }
  return exit_done;
}

}  // namespace slipway::cli
