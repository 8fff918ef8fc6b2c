// Commands that serve, and that look after who serves.

#include "cli/command_line.hpp"

#include <fmt/core.h>

namespace slipway::cli {

void CommandLine::add_server_commands() {
  auto* init = command(&m_app, "init", "Make a data directory and print its admin token, once",
                       [this] { return run_init(m_common); });
  add_config_option(init);
  add_key_option(init, "--data", "server.data", "DIR", "The data directory");
  add_key_option(init, "--catalog", "catalog.url", "URL", "Where the catalog is to be: postgresql://…");
  add_key_option(init, "--store", "store.url", "URL", "Where the bytes are to be, if not in files there: s3://…");
  add_json_option(init);

  auto* serve = command(&m_app, "serve", "Serve until SIGTERM", [this] { return run_serve(m_common); });
  add_config_option(serve);
  add_key_option(serve, "--data", "server.data", "DIR", "The data directory; made if it is missing");
  add_key_option(serve, "--store", "store.url", "URL",
                 "Where the bytes are, if not in files there: s3://BUCKET/PREFIX?endpoint=URL&region=REGION");
  add_key_option(serve, "--redirect", "store.redirect", "WHAT",
                 "Which blobs of a bucket clients are sent there for: always, large or never");
  add_key_option(serve, "--catalog", "catalog.url", "URL",
                 "Where the catalog is, if not in SQLite there: postgresql://USER@HOST:PORT/DATABASE");
  add_list_option(serve, "--listen", "server.listen", "ADDRESS",
                  "HOST:PORT, [IPV6]:PORT or unix:/path; may be given several times");
  add_key_option(serve, "--tls-certificate", "tls.certificate", "FILE", "Certificate chain, PEM");
  add_key_option(serve, "--tls-key", "tls.key", "FILE", "Its private key, PEM");
  add_key_option(serve, "--htpasswd", "access.htpasswd", "FILE", "Users, made by htpasswd -B");
  add_key_option(serve, "--anonymous", "access.anonymous", "WHAT", "What needs no login: none, pull, push or all");
  add_key_option(serve, "--site", "sites.folder", "DIR", "Publish this folder at / as it changes");
  add_list_option(serve, "--opam", "opam.repositories", "'NAME GIT-URL'",
                  "Keep an opam repository as this git repository is, at /NAME/; may be given several times");
  add_key_option(serve, "--log-level", "log.level", "LEVEL", "debug, info, warn, error or off");
  serve->add_flag_callback(
      "--read-only", [this] { m_common.flags.push_back({"--read-only", "server.read_only", {"true"}}); },
      "Answer pulls only");
}

void CommandLine::add_config_commands() {
  auto* config = group("config", "Check or show the configuration");
  auto* check = command(config, "check", "Check a configuration file", [this] { return run_config_check(m_common); });
  add_config_option(check);
  auto* show = command(config, "show", "Every key: value, default, origin, meaning",
                       [this] { return run_config_show(m_common); });
  add_config_option(show);
  add_json_option(show);
}

void CommandLine::add_other_commands() {
  auto* doctor =
      admin_command(&m_app, "doctor", "Check data directory, catalog, store, clock and limits", "doctor", {});
  doctor->add_flag_callback(
      "--deep", [this] { m_parameters["deep"] = "true"; }, "Compare every file of the store with the catalog");
  doctor->add_flag_callback(
      "--remove-unknown", [this] { m_parameters["remove_unknown"] = "true"; },
      "With --deep, on a stopped server's --data: remove files that the catalog does not know, as crashes leave");

  auto* server = group("server", "A running server");
  admin_command(server, "status", "Version, settings and totals", "server/status", {});
  auto* set = admin_command(server, "set", "Change a setting until the next start", "server/set", {});
  set->add_option_function<std::string>(
         "--read-only", [this](const std::string& value) { m_parameters["read_only"] = value; }, "true or false")
      ->type_name("BOOLEAN");
  set->add_option_function<std::string>(
         "--log-level", [this](const std::string& value) { m_parameters["log_level"] = value; },
         "debug, info, warn, error or off")
      ->type_name("LEVEL");

  auto* completion =
      command(&m_app, "completion", "Print completions for a shell: source <(slipway completion bash)", [this] {
        CommandWords words;
        collect_words(m_app, "", words);
        fmt::print("{}", completion_script(m_shell, words));
        return exit_done;
      });
  completion->add_option("shell", m_shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));

  auto* version = command(&m_app, "version", "Print the version", [this] { return run_version(m_common); });
  add_json_option(version);
}

}  // namespace slipway::cli
