// Commands about what is in repositories: tags, manifests, trees.

#include "cli/command_line.hpp"
#include "cli/tree_place.hpp"
#include "publish/channels.hpp"

namespace slipway::cli {

void CommandLine::add_repository_commands() {
  auto* repo = group("repo", "Repositories");
  add_page_options(admin_command(repo, "ls", "List repositories", "repo/ls", {}));
  admin_command(repo, "show", "One repository and what it holds", "repo/show", {{"repository", "Its name"}});
  admin_command(repo, "rm", "Remove a repository with its tags and manifests", "repo/rm", {{"repository", "Its name"}});

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

void CommandLine::add_tree_commands() {
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
  diff->add_option("other", m_tree.other, "The later one: CHANNEL, SNAPSHOT or REPO@…")->required()->type_name("OTHER");
  auto* get = tree_command("get", "Fetch the files of a snapshot that are not there yet", run_tree_get);
  get->add_option("directory", m_tree.directory, "Where to")->required()->type_name("DIR");
  get->add_option("--path", m_tree.path, "Only those whose paths begin so")->type_name("PATH");
  add_jobs_option(get, m_tree.jobs, "How many files at a time (default 8)");
  auto* history =
      admin_command(tree, "history", "Every move of a channel: when, by whom, how, and where to", "tag/history", {});
  history
      ->add_option_function<std::string>(
          "place",
          [this](const std::string& text) {
            const auto place = parse_channel_place(text);
            if (!place) throw CLI::ValidationError("place", place.error().message);
            m_parameters["repository"] = place->repository;
            m_parameters["tag"] = place->reference;
          },
          "Without @CHANNEL its channel live")
      ->required()
      ->type_name("REPO[@CHANNEL]");
}

}  // namespace slipway::cli
