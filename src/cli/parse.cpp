#include "cli/parse.hpp"

#include "cli/command_line.hpp"
#include "cli/config_values.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace slipway::cli {

CommandLine::CommandLine() {
  m_app.require_subcommand(1);
  m_app.footer("Begin with: slipway serve\nExit codes: 0 done, 1 failed, 2 wrong usage.");
  m_app.set_help_all_flag("--help-all", "Help of every command");
  add_server_commands();
  add_config_commands();
  add_repository_commands();
  add_tree_commands();
  add_opam_commands();
  add_copy_commands();
  add_moving_commands();
  add_exchange_commands();
  add_other_commands();
}

int CommandLine::run(int argc, char** argv) {
  try {
    m_app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return m_app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return m_app.exit(help);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "slipway: {}\n", explain(error.what(), argc, argv));
    return exit_usage;
  }
  return m_run();
}

CLI::App* CommandLine::command(CLI::App* parent, const char* name, const char* summary, std::function<int()> action) {
  auto* made = parent->add_subcommand(name, summary);
  made->callback([this, action = std::move(action)] { m_run = action; });
  return made;
}

CLI::App* CommandLine::group(const char* name, const char* summary) {
  auto* made = m_app.add_subcommand(name, summary);
  made->require_subcommand(1);
  return made;
}

void CommandLine::add_config_option(CLI::App* to) {
  to->add_option("--config", m_common.config_file,
                 "Configuration file (default: $SLIPWAY_CONFIG, then /etc/slipway/slipway.toml)")
      ->type_name("FILE");
}

void CommandLine::add_key_option(CLI::App* to, const std::string& flag, const std::string& key, const char* type,
                                 const char* summary) {
  to->add_option_function<std::string>(
        flag, [this, flag, key](const std::string& value) { m_common.flags.push_back({flag, key, {value}}); }, summary)
      ->type_name(type);
}

void CommandLine::add_list_option(CLI::App* to, const std::string& flag, const std::string& key, const char* type,
                                  const char* summary) {
  to->add_option_function<std::vector<std::string>>(
        flag,
        [this, flag, key](const std::vector<std::string>& values) { m_common.flags.push_back({flag, key, values}); },
        summary)
      ->type_name(type)
      ->allow_extra_args(false);
}

void CommandLine::add_place_options(CLI::App* to) {
  add_key_option(to, "--store", "store.url", "URL", "Where the bytes are, if not in files there: s3://…");
  add_key_option(to, "--catalog", "catalog.url", "URL", "Where the catalog is, if not in SQLite there: postgresql://…");
}

void CommandLine::add_server_options(CLI::App* to) {
  to->add_option("--server", m_target.server,
                 "URL of a running server (default: $SLIPWAY_SERVER, then the configuration)")
      ->type_name("URL");
  to->add_option("--token", m_target.token, "Admin token (default: $SLIPWAY_TOKEN)")->type_name("TOKEN");
  to->add_option("--user", m_target.user, "Who you are there (default: $SLIPWAY_USER, then docker's login)")
      ->type_name("NAME:PASSWORD");
  to->add_option("--ca", m_target.ca_file, "Certificates to trust, PEM")->type_name("FILE");
  add_config_option(to);
  add_json_option(to);
}

void CommandLine::add_page_options(CLI::App* to) {
  to->add_option_function<std::string>(
        "--last", [this](const std::string& name) { m_parameters["last"] = name; }, "Go on after this name")
      ->type_name("NAME");
  to->add_option_function<std::string>(
        "-n", [this](const std::string& count) { m_parameters["n"] = count; }, "At most so many (default 1000)")
      ->type_name("COUNT");
}

void CommandLine::add_jobs_option(CLI::App* to, unsigned& jobs, const char* summary) {
  to->add_option("--jobs", jobs, summary)->check(CLI::Range(1U, 64U))->type_name("COUNT");
}

CLI::App* CommandLine::admin_command(CLI::App* parent, const char* name, const char* summary,
                                     const std::string& operation,
                                     const std::vector<std::pair<std::string, std::string>>& arguments) {
  auto* made = command(parent, name, summary, [this, operation] {
    if (!m_target.data.empty() && !m_target.server.empty()) {
      fmt::print(stderr, "slipway: --data is for a stopped server, --server for a running one: give one of them\n");
      return exit_usage;
    }
    return run_admin(m_common, m_target, operation, m_parameters);
  });
  for (const auto& [parameter, help] : arguments) {
    const bool optional = parameter.ends_with('?');
    const auto key = optional ? parameter.substr(0, parameter.size() - 1) : parameter;
    auto* option = made->add_option_function<std::string>(
        key, [this, key](const std::string& value) { m_parameters[key] = value; }, help);
    if (!optional) option->required();
  }
  add_server_options(made);
  made->add_option("--data", m_target.data, "Data directory of a stopped server")->type_name("DIR");
  add_key_option(made, "--store", "store.url", "URL", "With --data: where its bytes are, if not in files there");
  add_key_option(made, "--catalog", "catalog.url", "URL", "With --data: where its catalog is, if not in SQLite there");
  return made;
}

void CommandLine::collect_words(const CLI::App& app, const std::string& path, CommandWords& words) {
  auto& choices = words[path];
  for (const auto* option : app.get_options())
    if (!option->get_lnames().empty()) choices.push_back("--" + option->get_lnames().front());
  for (const auto* below : app.get_subcommands(nullptr)) {
    choices.push_back(below->get_name());
    collect_words(*below, path.empty() ? below->get_name() : path + " " + below->get_name(), words);
  }
}

std::string CommandLine::explain(const std::string& problem, int argc, char** argv) const {
  CommandWords words;
  collect_words(m_app, "", words);
  std::string path;
  for (int i = 1; i < argc; ++i) {
    const std::string word(argv[i]);
    const auto below = path.empty() ? word : path + " " + word;
    if (words.contains(below)) {
      path = below;
      continue;
    }
    const auto& known = words[path];
    const auto name = word.substr(0, word.find('='));
    const bool is_option = name.starts_with("--");
    if (std::ranges::find(known, name) != known.end() || (!is_option && words_take_arguments(path))) continue;
    if (!is_option && name.starts_with('-')) continue;
    const auto guess = nearest(name, known);
    return fmt::format("unknown {} '{}'{}\n{}", is_option ? "option" : "command", name,
                       guess.empty() ? "" : "; did you mean '" + guess + "'?", help_hint(path));
  }
  return problem + "\n" + help_hint(path);
}

bool CommandLine::words_take_arguments(const std::string& path) const {
  const CLI::App* app = &m_app;
  for (std::size_t at = 0; at < path.size();) {
    const auto end = std::min(path.find(' ', at), path.size());
    app = app->get_subcommand(path.substr(at, end - at));
    at = end + 1;
  }
  return app->get_subcommands(nullptr).empty();
}

std::string CommandLine::help_hint(const std::string& path) {
  return "See: slipway " + path + (path.empty() ? "" : " ") + "--help";
}

int run(int argc, char** argv) { return CommandLine().run(argc, argv); }

}  // namespace slipway::cli
