// For faults/test_opam_crash.py: one pass from a git repository to a channel of a data directory, as the server makes
// it, that kills its own process where it is told to. usage: opam_crash DATA GIT PHASE      (fetched, read, sent,
// moved; none: to the end)

#include "cli/data_directory.hpp"
#include "cli/opam.hpp"
#include "opam/sync.hpp"

#include <csignal>
#include <fmt/core.h>

namespace slipway {
namespace {

Result<> pass(const std::string& data, const std::string& git, std::string_view phase) {
  const SystemClock clock;
  cli::Config config;
  config.data = data;
  TRY_ASSIGN(const auto directory, cli::DataDirectory::open(config, clock, true));
  TRY_ASSIGN(const auto access, access::Access::open({.anonymous = access::Anonymous::everything}));
  oci::Registry registry(directory->catalog(), directory->store(), directory->store_id(), *access, {});
  publish::RegistryClient client(cli::ask_registry(registry, "opam"),
                                 {.url = "here", .repository = "opam", .authorization = {}, .ca_file = {}});
  TRY_ASSIGN(auto clone, upstream::GitClone::open(data + "/opam/clone.git", {.url = git, .branch = "main"}));
  TRY_ASSIGN(const auto report, opam::sync(clone, client, {.on_phase = [phase](std::string_view reached) {
                                             if (reached == phase) std::raise(SIGKILL);
                                           }}));
  fmt::print("{}\n", report.commit);
  return {};
}

}  // namespace
}  // namespace slipway

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto done = slipway::pass(argv[1], argv[2], argv[3]);
  if (!done) fmt::print(stderr, "{}\n", done.error().message);
  return done ? 0 : 1;
}
