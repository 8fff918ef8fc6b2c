#pragma once
// The commands, one .cpp each. Each returns the process's exit code: 0 done, 1 failed, 2 wrong usage.

#include "cli/config.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace slipway::cli {

inline constexpr int exit_done = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

/// A key set by a flag: the flag, the key, the values.
struct FlagValue {
  std::string flag;
  std::string key;
  std::vector<std::string> values;
};

/// What every command may be told.
struct Common {
  std::filesystem::path config_file;
  std::vector<FlagValue> flags;
  bool json = false;
};

/// Flags over file over defaults, checked.
Result<Config> load_config(const Common& common);

/// Prints "slipway: <message>" and returns exit_failed.
int report(const Error& error);

int run_init(const Common& common);
int run_serve(const Common& common);
int run_config_check(const Common& common);
int run_config_show(const Common& common);
int run_version(const Common& common);
int run_backup(const Common& common, const std::filesystem::path& to);
int run_restore(const Common& common, const std::filesystem::path& from);

struct RebuildOptions {
  bool check = false;      ///< compare with the catalog that is there, and leave it
  bool deep = false;       ///< hash every blob
  bool partial = false;    ///< although some of the journal is missing or damaged
  std::string generation;  ///< of the journal; empty: the one there is
};
int run_rebuild(const Common& common, const RebuildOptions& options);

struct StoreOptions {
  std::string from;        ///< s3://… or a data directory; empty: the configuration's
  std::string to;          ///< the same
  bool finish = false;     ///< servers are stopped: the catalog is to go on with the copy
  std::uint64_t rate = 0;  ///< bytes in a second; 0: no limit
  unsigned jobs = 8;       ///< blobs at a time
};
int run_store_copy(const Common& common, const StoreOptions& options);
int run_store_verify(const Common& common, const StoreOptions& options);

struct CatalogOptions {
  std::string from;          ///< postgresql://… or a data directory; empty: the configuration's
  std::string to;            ///< the same
  bool keep_source = false;  ///< it may be served from as before
};
int run_catalog_copy(const Common& common, const CatalogOptions& options);
/// What `slipway import` is told.
struct ImportOptions {
  std::string from;  ///< a directory, or s3://…
  std::vector<std::string> repositories;
  unsigned jobs = 4;
  bool dry_run = false;
};
int run_import(const Common& common, const ImportOptions& options);

/// What `slipway export` is told.
struct ExportOptions {
  std::string directory;
  std::vector<std::string> wanted;  ///< REPO, REPO:TAG or REPO@DIGEST
  unsigned jobs = 4;
  bool untagged = false;
};
int run_export(const Common& common, const ExportOptions& options);

/// Where an admin command goes: a server, or a stopped data directory.
struct AdminTarget {
  std::string server;          ///< URL; empty: SLIPWAY_SERVER, else the configuration
  std::filesystem::path data;  ///< --data: in process
  std::string token;           ///< empty: SLIPWAY_TOKEN
  std::string user;            ///< NAME:PASSWORD; empty: SLIPWAY_USER
  std::string ca_file;
};

/// What `slipway publish` is told.
struct PublishArguments {
  std::string folder;
  std::string place;  ///< REPOSITORY[@CHANNEL]
  std::vector<std::string> exclude;
  unsigned jobs = 8;
  bool check_all = false;
};
int run_publish(const Common& common, const AdminTarget& target, const PublishArguments& arguments);

/// What `slipway tree` is told.
struct TreeArguments {
  std::string place;      ///< REPOSITORY[@CHANNEL or @SNAPSHOT]
  std::string other;      ///< of diff: the same, or only the channel or snapshot
  std::string path;       ///< files whose paths begin so
  std::string directory;  ///< of get
  unsigned jobs = 8;
};
int run_tree_ls(const Common& common, const AdminTarget& target, const TreeArguments& arguments);
int run_tree_diff(const Common& common, const AdminTarget& target, const TreeArguments& arguments);
int run_tree_get(const Common& common, const AdminTarget& target, const TreeArguments& arguments);

/// What `slipway opam import-cache` and `export` are told.
struct OpamArguments {
  std::string place;      ///< REPOSITORY[@CHANNEL]
  std::string from;       ///< of import-cache: a folder, or a URL
  std::string directory;  ///< of export
  unsigned jobs = 8;
  bool without_sources = false;
};
int run_opam_import_cache(const Common& common, const AdminTarget& target, const OpamArguments& arguments);
int run_opam_export(const Common& common, const AdminTarget& target, const OpamArguments& arguments);

/// Runs one operation of admin/ and prints its answer.
int run_admin(const Common& common, const AdminTarget& target, const std::string& operation,
              const std::map<std::string, std::string>& parameters);

}  // namespace slipway::cli
