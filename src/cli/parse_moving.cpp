// Commands that copy what there is: to a backup, to another store, from another registry.

#include "cli/command_line.hpp"
#include "cli/config_values.hpp"
#include "moving/export.hpp"
#include "oci/names.hpp"

namespace slipway::cli {

std::uint64_t CommandLine::checked_size(const char* flag, const std::string& text) {
  const auto size = parse_size(text);
  if (!size) throw CLI::ValidationError(flag, size.error().message);
  return *size;
}

void CommandLine::add_copy_commands() {
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

void CommandLine::add_moving_commands() {
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

void CommandLine::add_exchange_commands() {
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
  docker->footer("Stop the server first, unless its catalog is in PostgreSQL. What is there already is left as it is:\n"
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

}  // namespace slipway::cli
