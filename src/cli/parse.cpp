#include "cli/parse.hpp"

#include "cli/commands.hpp"
#include "cli/completion.hpp"
#include "cli/config_values.hpp"
#include "moving/export.hpp"
#include "oci/names.hpp"
#include "publish/channels.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

namespace slipway::cli {
namespace {

/// The program's commands and what they were told. Options bind to members, so it must not move.
class CommandLine {
public:
  CommandLine() {
    m_app.require_subcommand(1);
    m_app.footer("Begin with: slipway serve\nExit codes: 0 done, 1 failed, 2 wrong usage.");
    m_app.set_help_all_flag("--help-all", "Help of every command");
    add_server_commands();
    add_config_commands();
    add_repository_commands();
    add_tree_commands();
    add_copy_commands();
    add_moving_commands();
    add_exchange_commands();
    add_other_commands();
  }
  CommandLine(const CommandLine&) = delete;

  int run(int argc, char** argv) {
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

private:
  /// A sub-command that runs `action`.
  CLI::App* command(CLI::App* parent, const char* name, const char* summary, std::function<int()> action) {
    auto* made = parent->add_subcommand(name, summary);
    made->callback([this, action = std::move(action)] { m_run = action; });
    return made;
  }

  CLI::App* group(const char* name, const char* summary) {
    auto* made = m_app.add_subcommand(name, summary);
    made->require_subcommand(1);
    return made;
  }

  void add_config_option(CLI::App* to) {
    to->add_option("--config", m_common.config_file,
                   "Configuration file (default: $SLIPWAY_CONFIG, then /etc/slipway/slipway.toml)")
        ->type_name("FILE");
  }

  void add_json_option(CLI::App* to) { to->add_flag("--json", m_common.json, "Answer as JSON"); }

  /// A flag that sets a configuration key.
  void add_key_option(CLI::App* to, const std::string& flag, const std::string& key, const char* type,
                      const char* summary) {
    to->add_option_function<std::string>(
          flag, [this, flag, key](const std::string& value) { m_common.flags.push_back({flag, key, {value}}); },
          summary)
        ->type_name(type);
  }

  /// The same for a key that is a list: the flag may be repeated.
  void add_list_option(CLI::App* to, const std::string& flag, const std::string& key, const char* type,
                       const char* summary) {
    to->add_option_function<std::vector<std::string>>(
          flag,
          [this, flag, key](const std::vector<std::string>& values) { m_common.flags.push_back({flag, key, values}); },
          summary)
        ->type_name(type)
        ->allow_extra_args(false);
  }

  void add_server_commands() {
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
    add_key_option(serve, "--log-level", "log.level", "LEVEL", "debug, info, warn, error or off");
    serve->add_flag_callback(
        "--read-only", [this] { m_common.flags.push_back({"--read-only", "server.read_only", {"true"}}); },
        "Answer pulls only");
  }

  void add_config_commands() {
    auto* config = group("config", "Check or show the configuration");
    auto* check = command(config, "check", "Check a configuration file", [this] { return run_config_check(m_common); });
    add_config_option(check);
    auto* show = command(config, "show", "Every key: value, default, origin, meaning",
                         [this] { return run_config_show(m_common); });
    add_config_option(show);
    add_json_option(show);
  }

  /// A command that runs an admin operation; positional arguments fill its parameters.
  CLI::App* admin_command(CLI::App* parent, const char* name, const char* summary, const std::string& operation,
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
    add_key_option(made, "--catalog", "catalog.url", "URL",
                   "With --data: where its catalog is, if not in SQLite there");
    return made;
  }

  /// Of a command that asks a server.
  void add_server_options(CLI::App* to) {
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

  void add_page_options(CLI::App* to) {
    to->add_option_function<std::string>(
          "--last", [this](const std::string& name) { m_parameters["last"] = name; }, "Go on after this name")
        ->type_name("NAME");
    to->add_option_function<std::string>(
          "-n", [this](const std::string& count) { m_parameters["n"] = count; }, "At most so many (default 1000)")
        ->type_name("COUNT");
  }

  void add_repository_commands() {
    auto* repo = group("repo", "Repositories");
    add_page_options(admin_command(repo, "ls", "List repositories", "repo/ls", {}));
    admin_command(repo, "show", "One repository and what it holds", "repo/show", {{"repository", "Its name"}});
    admin_command(repo, "rm", "Remove a repository with its tags and manifests", "repo/rm",
                  {{"repository", "Its name"}});

    auto* tag = group("tag", "Tags");
    add_page_options(
        admin_command(tag, "ls", "List tags, where they point and since when", "tag/ls", {{"repository", "Its name"}}));
    admin_command(tag, "rm", "Remove one tag", "tag/rm", {{"repository", "Its name"}, {"tag", "The tag"}});
    admin_command(tag, "history", "Every move of a tag, newest first", "tag/history",
                  {{"repository", "Its name"}, {"tag?", "One tag (default: all)"}});

    auto* manifest = group("manifest", "Manifests");
    admin_command(manifest, "show", "Print a manifest as it was pushed", "manifest/show",
                  {{"repository", "Its name"}, {"reference", "A tag or digest"}});
  }

  void add_tree_commands() {
    auto* publish = command(&m_app, "publish", "Publish a folder: what changed is sent, then the channel moves",
                            [this] { return run_publish(m_common, m_target, m_publish); });
    publish->add_option("folder", m_publish.folder, "The folder")->required()->type_name("DIR");
    publish->add_option("place", m_publish.place, "Where to: without @CHANNEL its channel live")
        ->required()
        ->type_name("REPO[@CHANNEL]");
    publish->add_option("--exclude", m_publish.exclude, "Leave out what is called so: '*.tmp', 'drafts/*'")
        ->type_name("PATTERN")
        ->allow_extra_args(false);
    publish->add_flag("--check-all", m_publish.check_all,
                      "Ask for every file, also for those that the channel has: mends what a server has lost");
    add_jobs_option(publish, m_publish.jobs, "How many requests at a time (default 8)");
    add_server_options(publish);
    publish->footer("Readers see the old snapshot or the new one. Run it again to go on after an interruption.\n"
                    "Of two that publish to one channel at once, one is told. What is served how: docs/sites.md");

    auto* promote = admin_command(
        &m_app, "promote", "Point a channel at what another one points at: no bytes move", "promote",
        {{"repository", "Its name"}, {"from", "The channel that is there: staging"}, {"to", "The one to move: live"}});
    promote->footer("A channel is a tag: images are promoted the same way.");
    auto* rollback = admin_command(&m_app, "rollback", "Point a channel at what it pointed at before", "rollback",
                                   {{"repository", "Its name"}, {"channel?", "The channel (default: live)"}});
    rollback
        ->add_option_function<std::string>(
            "--to", [this](const std::string& digest) { m_parameters["digest"] = digest; },
            "This snapshot, which the history shows")
        ->type_name("DIGEST");
    rollback->preparse_callback([this](std::size_t) { m_parameters["channel"] = publish::live_channel; });
    rollback->footer("Again, it goes back further. Where it was: slipway tree history REPO");

    auto* tree = group("tree", "Folders that were published");
    const auto tree_command = [&](const char* name, const char* summary, auto action) {
      auto* made = command(tree, name, summary, [this, action] { return action(m_common, m_target, m_tree); });
      made->add_option("place", m_tree.place, "Without @ its channel live")
          ->required()
          ->type_name("REPO[@CHANNEL|@SNAPSHOT]");
      add_server_options(made);
      return made;
    };
    auto* ls = tree_command("ls", "List the files of a snapshot", run_tree_ls);
    ls->add_option("path", m_tree.path, "Only those whose paths begin so")->type_name("PATH");
    auto* diff = tree_command("diff", "How two snapshots differ: + added, - removed, ~ changed", run_tree_diff);
    diff->add_option("other", m_tree.other, "The later one: CHANNEL, SNAPSHOT or REPO@…")
        ->required()
        ->type_name("OTHER");
    auto* get = tree_command("get", "Fetch the files of a snapshot that are not there yet", run_tree_get);
    get->add_option("directory", m_tree.directory, "Where to")->required()->type_name("DIR");
    get->add_option("--path", m_tree.path, "Only those whose paths begin so")->type_name("PATH");
    add_jobs_option(get, m_tree.jobs, "How many files at a time (default 8)");
    auto* history = admin_command(tree, "history", "Every move of a channel: when, by whom, from where to where",
                                  "tag/history", {{"repository", "Its name"}, {"tag?", "The channel (default: live)"}});
    history->preparse_callback([this](std::size_t) { m_parameters["tag"] = publish::live_channel; });
  }

  static void add_jobs_option(CLI::App* to, unsigned& jobs, const char* summary) {
    to->add_option("--jobs", jobs, summary)->check(CLI::Range(1U, 64U))->type_name("COUNT");
  }

  void add_copy_commands() {
    auto* backup = command(&m_app, "backup", "Bring a backup of a data directory up to date, while it is served",
                           [this] { return run_backup(m_common, m_directory); });
    backup->add_option("directory", m_directory, "Where the backup is, or will be")->required()->type_name("DIR");
    backup->footer("Copies what is new, checks it against its digests, and removes what is no longer wanted. An\n"
                   "interrupted backup leaves the one before it whole; run it again to go on.");
    auto* restore = command(&m_app, "restore", "Make a data directory of a backup, checking every blob",
                            [this] { return run_restore(m_common, m_directory); });
    restore->add_option("directory", m_directory, "The backup")->required()->type_name("BACKUP");
    auto* rebuild = command(&m_app, "rebuild", "Make a lost catalog again of the journal in the store",
                            [this] { return run_rebuild(m_common, m_rebuild); });
    rebuild->add_flag("--check", m_rebuild.check, "Compare with the catalog that is there, and change nothing");
    rebuild->add_flag("--deep", m_rebuild.deep, "Hash every blob, instead of only looking for its bytes");
    rebuild->add_flag("--partial", m_rebuild.partial, "Up to the first object that is missing or damaged");
    rebuild->add_option("--journal", m_rebuild.generation, "The generation to read, where there are several")
        ->type_name("NAME");
    rebuild->footer(
        "Stop the server first. What changed in the last seconds before the catalog was lost may be missing.");
    for (auto* made : {backup, restore, rebuild}) {
      add_config_option(made);
      add_place_options(made);
      add_json_option(made);
    }
    add_key_option(rebuild, "--data", "server.data", "DIR", "The data directory");
    add_key_option(backup, "--data", "server.data", "DIR", "The data directory to copy");
    add_key_option(restore, "--data", "server.data", "DIR", "The data directory to make: empty or missing");
  }

  /// What goes with --data, where not everything is in there.
  void add_place_options(CLI::App* to) {
    add_key_option(to, "--store", "store.url", "URL", "Where the bytes are, if not in files there: s3://…");
    add_key_option(to, "--catalog", "catalog.url", "URL",
                   "Where the catalog is, if not in SQLite there: postgresql://…");
  }

  void add_moving_commands() {
    auto* store = group("store", "The bytes of all blobs: files, or a bucket");
    auto* copy = command(store, "copy", "Bring a copy of the store up to date, and go on with it",
                         [this] { return run_store_copy(m_common, m_store); });
    copy->add_option("--to", m_store.to, "Where the copy is to be: s3://…, or a data directory")
        ->required()
        ->type_name("PLACE");
    copy->add_flag("--finish", m_store.finish,
                   "Servers are stopped: copy what is left, and have the catalog go on with the copy");
    copy->footer("Without --finish servers go on meanwhile; run it as often as you like, also after an interruption:\n"
                 "what is there is not copied again. Each blob is checked on its way.");
    auto* verify = command(store, "verify", "Read every blob and compare it with its digest, also beside a server",
                           [this] { return run_store_verify(m_common, m_store); });
    for (auto* made : {copy, verify}) {
      made->add_option("--from", m_store.from, "Its place now (default: the configuration's)")->type_name("PLACE");
      made->add_option_function<std::string>(
              "--rate", [this](const std::string& value) { m_store.rate = checked_size("--rate", value); },
              "Read at most so much in a second: 10MiB")
          ->type_name("SIZE");
      made->add_option("--jobs", m_store.jobs, "Blobs at a time (default 8)")
          ->check(CLI::Range(1U, 64U))
          ->type_name("COUNT");
      add_config_option(made);
      add_key_option(made, "--data", "server.data", "DIR", "The data directory");
      add_place_options(made);
      add_json_option(made);
    }

    auto* catalog = group("catalog", "What the store holds for whom: SQLite, or PostgreSQL");
    auto* move = command(catalog, "copy", "Copy the catalog to an empty database, of servers that are stopped",
                         [this] { return run_catalog_copy(m_common, m_catalog); });
    move->add_option("--to", m_catalog.to, "Where it is to be: postgresql://…, or a data directory")
        ->required()
        ->type_name("PLACE");
    move->add_option("--from", m_catalog.from, "Where it is now (default: the configuration's)")->type_name("PLACE");
    move->add_flag("--keep-source", m_catalog.keep_source,
                   "Servers may go on with the one it was copied from; never with both");
    add_config_option(move);
    add_key_option(move, "--data", "server.data", "DIR", "The data directory");
    add_place_options(move);
    add_json_option(move);
  }

  static std::uint64_t checked_size(const char* flag, const std::string& text) {
    const auto size = parse_size(text);
    if (!size) throw CLI::ValidationError(flag, size.error().message);
    return *size;
  }

  void add_exchange_commands() {
    auto* import = group("import", "Bring in what another registry has");
    auto* docker = command(import, "docker-registry", "The storage of a docker-registry (CNCF distribution)",
                           [this] { return run_import(m_common, m_import); });
    docker->add_option("from", m_import.from, "Its root directory, or s3://BUCKET/PREFIX?endpoint=URL&region=REGION")
        ->required()
        ->type_name("FROM");
    docker->add_option("repositories", m_import.repositories, "Only these (default: all)")
        ->type_name("REPO")
        ->check([](const std::string& name) {
          return oci::is_repository_name(name) ? std::string() : "'" + name + "' is no name of a repository";
        });
    docker->add_option("--jobs", m_import.jobs, "How many blobs are copied at once (default 4)")
        ->type_name("COUNT")
        ->check(CLI::Range(1, 64));
    docker->add_flag("--dry-run", m_import.dry_run, "Tell what would be imported, and change nothing");
    docker->footer(
        "Stop the server first, unless its catalog is in PostgreSQL. What is there already is left as it is:\n"
        "run it again to go on after an interruption, or to fetch what has changed since.");
    add_key_option(docker, "--data", "server.data", "DIR", "The data directory; made if it is missing");

    auto* out = command(&m_app, "export", "Write repositories into an OCI image layout",
                        [this] { return run_export(m_common, m_export); });
    out->add_option("directory", m_export.directory, "Where the layout is, or will be")->required()->type_name("DIR");
    out->add_option("wanted", m_export.wanted, "REPO, REPO:TAG or REPO@DIGEST")
        ->required()
        ->type_name("REPO")
        ->check([](const std::string& text) {
          const auto wanted = moving::Wanted::parse(text);
          return wanted ? std::string() : wanted.error().message;
        });
    out->add_option("--jobs", m_export.jobs, "How many blobs are copied at once (default 4)")
        ->type_name("COUNT")
        ->check(CLI::Range(1, 64));
    out->add_flag("--all", m_export.untagged, "Also manifests that no tag reaches");
    out->footer("Servers may go on meanwhile. Names in the layout are TAG for one repository, else REPO:TAG.");
    add_key_option(out, "--data", "server.data", "DIR", "The data directory");
    for (auto* made : {docker, out}) {
      add_config_option(made);
      add_json_option(made);
      add_place_options(made);
    }
  }

  void add_other_commands() {
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

  static void collect_words(const CLI::App& app, const std::string& path, CommandWords& words) {
    auto& choices = words[path];
    for (const auto* option : app.get_options())
      if (!option->get_lnames().empty()) choices.push_back("--" + option->get_lnames().front());
    for (const auto* below : app.get_subcommands(nullptr)) {
      choices.push_back(below->get_name());
      collect_words(*below, path.empty() ? below->get_name() : path + " " + below->get_name(), words);
    }
  }

  /// What is wrong, the nearest known word where one was mistyped, and how to get help.
  std::string explain(const std::string& problem, int argc, char** argv) const {
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

  /// Words after this command are its arguments or values, not commands.
  bool words_take_arguments(const std::string& path) const {
    const CLI::App* app = &m_app;
    for (std::size_t at = 0; at < path.size();) {
      const auto end = std::min(path.find(' ', at), path.size());
      app = app->get_subcommand(path.substr(at, end - at));
      at = end + 1;
    }
    return app->get_subcommands(nullptr).empty();
  }

  static std::string help_hint(const std::string& path) {
    return "See: slipway " + path + (path.empty() ? "" : " ") + "--help";
  }

  CLI::App m_app{"Publishes what a software community ships, from one content-addressed store.", "slipway"};
  Common m_common;
  AdminTarget m_target;
  std::map<std::string, std::string> m_parameters;
  std::string m_shell;
  std::string m_directory;
  RebuildOptions m_rebuild;
  PublishArguments m_publish;
  TreeArguments m_tree;
  StoreOptions m_store;
  CatalogOptions m_catalog;
  ImportOptions m_import;
  ExportOptions m_export;
  std::function<int()> m_run;
};

}  // namespace

int run(int argc, char** argv) { return CommandLine().run(argc, argv); }

}  // namespace slipway::cli
