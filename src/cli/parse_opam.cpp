// Commands about opam repositories.

#include "cli/command_line.hpp"
#include "cli/config_values.hpp"
#include "cli/tree_place.hpp"

namespace slipway::cli {

void CommandLine::add_opam_commands() {
  auto* opam = group("opam", "Opam repositories that are made of git repositories");
  const auto at_place = [&](const char* name, const char* summary, const std::string& operation) {
    auto* made = admin_command(opam, name, summary, operation, {});
    made->add_option_function<std::string>(
            "place",
            [this](const std::string& text) {
              const auto place = parse_channel_place(text);
              if (!place) throw CLI::ValidationError("place", place.error().message);
              m_parameters["repository"] = place->repository;
              m_parameters["channel"] = place->reference;
            },
            "Without @CHANNEL its channel live")
        ->required()
        ->type_name("REPO[@CHANNEL]");
    return made;
  };
  admin_command(opam, "ls", "List them, and how they are", "opam/ls", {});
  auto* add = at_place("add", "Keep an opam repository as a git repository is, from now on", "opam/add");
  add->add_option_function<std::string>(
         "--git", [this](const std::string& url) { m_parameters["git"] = url; },
         "The git repository: https, http, ssh, git or file, or a folder's path on the server")
      ->required()
      ->type_name("URL");
  add->add_option_function<std::string>(
         "--branch", [this](const std::string& name) { m_parameters["branch"] = name; },
         "Its branch (default: the one that HEAD names)")
      ->type_name("NAME");
  add->add_option_function<std::string>(
         "--poll",
         [this](const std::string& text) {
           const auto poll = parse_duration(text);
           if (!poll) throw CLI::ValidationError("--poll", poll.error().message);
           m_parameters["poll_ms"] = std::to_string(poll->count());
         },
         "How often it is asked for something new (default: opam.poll)")
      ->type_name("DURATION");
  add->footer(
      "Kept in the catalog, for all servers that share it. The configuration can name some, too: opam.repositories.");
  at_place("rm", "End that: what is published and kept stays", "opam/rm");
  at_place("status", "What is live, what the git repository has, and what is missing", "opam/status");
  at_place("sync", "Look at the git repository now, and publish what is new", "opam/sync");
  at_place("check", "What is wrong with package files and sources", "opam/check");
  auto* sources = at_place("sources", "The sources that packages name, and which are kept", "opam/sources");
  sources
      ->add_option_function<std::string>(
          "--state", [this](const std::string& state) { m_parameters["state"] = state; }, "kept or missing: only those")
      ->check(CLI::IsMember({"kept", "missing"}))
      ->type_name("STATE");
  add_page_options(sources);
  auto* explain = at_place("explain", "One package: where its sources are, and what is wrong with it", "opam/explain");
  explain
      ->add_option_function<std::string>(
          "package", [this](const std::string& name) { m_parameters["package"] = name; }, "Its name, or NAME.VERSION")
      ->required()
      ->type_name("PACKAGE");

  auto* import = command(opam, "import-cache", "Keep sources that a cache or mirror has",
                         [this] { return run_opam_import_cache(m_common, m_target, m_opam); });
  import->add_option("place", m_opam.place, "The repository")->required()->type_name("REPO[@CHANNEL]");
  import->add_option("from", m_opam.from, "As opam admin cache writes it: with sha256/0a/0a1b… in it")
      ->required()
      ->type_name("DIR|URL");
  import->footer(
      "Of a folder everything is taken, of a URL what packages name and is missing. Each is checked against\n"
      "its name. Run it again to go on after an interruption.");
  auto* exported = command(opam, "export", "Bring a folder up to date that any web server can serve as a mirror",
                           [this] { return run_opam_export(m_common, m_target, m_opam); });
  exported->add_option("place", m_opam.place, "The repository")->required()->type_name("REPO[@CHANNEL]");
  exported->add_option("directory", m_opam.directory, "The folder")->required()->type_name("DIR");
  exported->add_flag("--without-sources", m_opam.without_sources, "Leave out cache/");
  exported->footer(
      "Files, index.tar.gz and cache/ as opam admin makes them. Fetches what is new only; sources stay also\n"
      "when no package names them any more.");
  for (auto* made : {import, exported}) {
    add_jobs_option(made, m_opam.jobs, "How many files at a time (default 8)");
    add_server_options(made);
  }
}

}  // namespace slipway::cli
