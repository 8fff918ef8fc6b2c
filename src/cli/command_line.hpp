#pragma once
// The program's commands and what they were told. For parse.cpp and its neighbours, which define it: nobody else
// includes CLI11.

#include "cli/commands.hpp"
#include "cli/completion.hpp"

#include <CLI/CLI.hpp>

namespace slipway::cli {

/// Options bind to members, so it must not move.
class CommandLine {
public:
  CommandLine();
  CommandLine(const CommandLine&) = delete;

  int run(int argc, char** argv);

private:
  /// A sub-command that runs `action`.
  CLI::App* command(CLI::App* parent, const char* name, const char* summary, std::function<int()> action);
  CLI::App* group(const char* name, const char* summary);
  void add_config_option(CLI::App* to);

  void add_json_option(CLI::App* to) { to->add_flag("--json", m_common.json, "Answer as JSON"); }

  /// A flag that sets a configuration key.
  void add_key_option(CLI::App* to, const std::string& flag, const std::string& key, const char* type,
                      const char* summary);

  /// The same for a key that is a list: the flag may be repeated.
  void add_list_option(CLI::App* to, const std::string& flag, const std::string& key, const char* type,
                       const char* summary);

  void add_server_commands();
  void add_config_commands();

  /// A command that runs an admin operation; positional arguments fill its parameters.
  CLI::App* admin_command(CLI::App* parent, const char* name, const char* summary, const std::string& operation,
                          const std::vector<std::pair<std::string, std::string>>& arguments);

  /// Of a command that asks a server.
  void add_server_options(CLI::App* to);
  void add_page_options(CLI::App* to);
  void add_repository_commands();
  void add_tree_commands();
  void add_opam_commands();

  static void add_jobs_option(CLI::App* to, unsigned& jobs, const char* summary);
  void add_copy_commands();

  /// What goes with --data, where not everything is in there.
  void add_place_options(CLI::App* to);
  void add_moving_commands();

  static std::uint64_t checked_size(const char* flag, const std::string& text);
  void add_exchange_commands();
  void add_other_commands();

  static void collect_words(const CLI::App& app, const std::string& path, CommandWords& words);

  /// What is wrong, the nearest known word where one was mistyped, and how to get help.
  std::string explain(const std::string& problem, int argc, char** argv) const;

  /// Words after this command are its arguments or values, not commands.
  bool words_take_arguments(const std::string& path) const;

  static std::string help_hint(const std::string& path);

  CLI::App m_app{"Publishes what a software community ships, from one content-addressed store.", "slipway"};
  Common m_common;
  AdminTarget m_target;
  std::map<std::string, std::string> m_parameters;
  std::string m_shell;
  std::string m_directory;
  RebuildOptions m_rebuild;
  PublishArguments m_publish;
  TreeArguments m_tree;
  OpamArguments m_opam;
  StoreOptions m_store;
  CatalogOptions m_catalog;
  ImportOptions m_import;
  ExportOptions m_export;
  std::function<int()> m_run;
};

}  // namespace slipway::cli
