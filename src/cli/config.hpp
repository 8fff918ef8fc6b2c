#pragma once
// The configuration: one TOML file, every key documented and checked. docs/configuration.md is its manual; `slipway
// config show` prints every key with its value and where that came from.

#include "base/result.hpp"
#include "cas/options.hpp"
#include "http/limits.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace slipway::cli {

struct Config {
  std::vector<std::string> listen{"127.0.0.1:5000"};
  std::filesystem::path data = "slipway-data";
  bool read_only = false;
  std::size_t workers = 0;
  std::size_t pumps = 0;
  std::vector<std::string> proxies;
  std::filesystem::path tls_certificate;
  std::filesystem::path tls_key;
  http::Limits limits;
  std::size_t manifest_bytes = 4U << 20;
  std::uint64_t blob_bytes = 0;
  std::string catalog;  ///< postgresql://…; empty: SQLite in `data`
  std::string store;    ///< s3://…; empty: in files below `data`
  std::uint64_t store_cache = 1U << 30;
  std::string redirect = "always";
  std::chrono::milliseconds redirect_lifetime = std::chrono::minutes(20);
  std::chrono::milliseconds longest_transfer = std::chrono::hours(4);
  std::uint64_t keep_free = 64U << 20;
  std::size_t uploads = 10'000;
  std::chrono::milliseconds upload_expiry = std::chrono::hours(24);
  std::chrono::milliseconds journal_interval = std::chrono::seconds(2);
  std::string sparse = "none";
  std::string url;
  cas::CacheOptions cache;
  std::vector<std::string> approvals;  ///< as access::parse_approval() reads them
  std::vector<std::string> mounts;     ///< as publish::parse_mount() reads them
  std::string site_folder;             ///< published at the root as it changes; empty: none
  bool sites_by_name = true;
  std::uint64_t sites_memory = 64U << 20;
  std::vector<std::string> opam_repositories;  ///< as opam::parse_source_place() reads them
  std::chrono::milliseconds opam_poll = std::chrono::seconds(15);
  std::chrono::milliseconds opam_wait{0};
  bool opam_dates = true;
  bool opam_private_sources = false;
  std::filesystem::path opam_hook_secret_file;
  std::string challenge = "bearer";
  std::chrono::milliseconds token_lifetime = std::chrono::minutes(5);
  std::filesystem::path htpasswd;
  std::vector<std::string> admins;
  std::string anonymous;  ///< empty: not stated
  bool public_metrics = false;
  std::string log_level = "info";
  std::string log_format = "text";
  bool log_requests = true;

  std::map<std::string, std::string> origins;  ///< key → where its value came from; absent: the default
};

/// One key as people see it.
struct KeyView {
  std::string name;      ///< "limits.connections"
  std::string kind;      ///< "number", "duration", "size", "text", "boolean", "list of texts"
  std::string value;     ///< as TOML
  std::string fallback;  ///< the default, as TOML
  std::string origin;    ///< "default", "FILE:LINE" or "--flag"
  std::string meaning;
};
std::vector<KeyView> keys_of(const Config& config);

/// Reads TOML over `config`. Failure::invalid with "FILE:LINE: …" for bad syntax, an unknown key (with the nearest
/// known one), a value of the wrong kind or out of its bounds.
Result<> read_config(const std::filesystem::path& file, Config& config);
Result<> read_config_text(std::string_view text, const std::string& name, Config& config);

/// Sets a key as a command-line flag does.
Result<> set_key(Config& config, const std::string& key, const std::vector<std::string>& values,
                 const std::string& origin);

/// What is wrong between keys (a certificate without its key …).
Result<> check_config(const Config& config);

/// The file to read: `given`, else $SLIPWAY_CONFIG, else /etc/slipway/slipway.toml if it is there, else none.
std::filesystem::path find_config(const std::filesystem::path& given);

}  // namespace slipway::cli
