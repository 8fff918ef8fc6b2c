#include "cli/config.hpp"

#include "access/access.hpp"
#include "base/fd.hpp"
#include "base/log.hpp"
#include "cli/config_values.hpp"
#include "http/address.hpp"
#include "opam/source_place.hpp"
#include "publish/mount.hpp"
#include "s3/bucket_url.hpp"
#include "sql/postgres_connection.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <limits>
#include <toml++/toml.h>

namespace slipway::cli {
namespace {

constexpr std::size_t config_bytes_max = 1U << 20;

/// A key: how it reads and shows. Values arrive as texts, one for all kinds but lists.
struct Key {
  std::string name;
  std::string kind;
  std::string meaning;
  std::function<Result<>(Config&, const std::vector<std::string>&)> set;
  std::function<std::string(const Config&)> show;
};

/// A TOML basic string.
std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out.append({'\\', c});
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out.append(fmt::format("\\u{:04X}", static_cast<unsigned char>(c)));
    else
      out.push_back(c);
  }
  return out + "\"";
}

Key text_key(std::string name, auto member, std::string meaning,
             std::function<Result<>(const std::string&)> check = {}) {
  return {std::move(name), "text", std::move(meaning),
          [member, check](Config& config, const std::vector<std::string>& values) -> Result<> {
            if (check) TRY(check(values.front()));
            member(config) = values.front();
            return {};
          },
          [member](const Config& config) {
            auto copy = config;
            return toml_text(std::string(member(copy)));
          }};
}

Key list_key(std::string name, std::vector<std::string> Config::* member, std::string meaning,
             std::function<Result<>(const std::string&)> check = {}) {
  return {std::move(name), "list of texts", std::move(meaning),
          [member, check](Config& config, const std::vector<std::string>& values) -> Result<> {
            for (const auto& value : values)
              if (check) TRY(check(value));
            config.*member = values;
            return {};
          },
          [member](const Config& config) {
            std::vector<std::string> out;
            for (const auto& text : config.*member) out.push_back(toml_text(text));
            return fmt::format("[{}]", fmt::join(out, ", "));
          }};
}

Key boolean_key(std::string name, bool Config::* member, std::string meaning) {
  return {std::move(name), "boolean", std::move(meaning),
          [member](Config& config, const std::vector<std::string>& values) -> Result<> {
            if (values.front() != "true" && values.front() != "false")
              return fail(Failure::invalid, "expected true or false");
            config.*member = values.front() == "true";
            return {};
          },
          [member](const Config& config) { return config.*member ? "true" : "false"; }};
}

/// A text that is one of `choices`.
Key choice_key(std::string name, std::string Config::* member, std::vector<std::string> choices, std::string meaning) {
  return {std::move(name), "text", std::move(meaning),
          [member, choices](Config& config, const std::vector<std::string>& values) -> Result<> {
            if (std::ranges::find(choices, values.front()) == choices.end())
              return fail(Failure::invalid, fmt::format("expected one of: {}", fmt::join(choices, ", ")));
            config.*member = values.front();
            return {};
          },
          [member](const Config& config) { return toml_text(config.*member); }};
}

Key number_key(std::string name, auto member, std::uint64_t least, std::string meaning) {
  return {std::move(name), "number", std::move(meaning),
          [member, least](Config& config, const std::vector<std::string>& values) -> Result<> {
            const auto& text = values.front();
            std::uint64_t value = 0;
            const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
            if (bad != std::errc() || end != text.data() + text.size() || value < least)
              return fail(Failure::invalid, fmt::format("expected a whole number of at least {}", least));
            member(config) = value;
            return {};
          },
          [member](const Config& config) {
            auto copy = config;
            return std::to_string(member(copy));
          }};
}

Key size_key(std::string name, auto member, std::string meaning, std::uint64_t least = 0,
             std::uint64_t most = std::numeric_limits<std::int64_t>::max()) {
  return {std::move(name), "size", std::move(meaning),
          [member, least, most](Config& config, const std::vector<std::string>& values) -> Result<> {
            TRY_ASSIGN(const auto value, parse_size(values.front()));
            if (value < least || value > most)
              return fail(Failure::invalid, fmt::format("expected {} to {}", render_size(least), render_size(most)));
            member(config) = value;
            return {};
          },
          [member](const Config& config) {
            auto copy = config;
            return toml_text(render_size(member(copy)));
          }};
}

Key duration_key(std::string name, auto member, std::string meaning, bool may_be_zero = false) {
  return {std::move(name), "duration", std::move(meaning),
          [member, may_be_zero](Config& config, const std::vector<std::string>& values) -> Result<> {
            TRY_ASSIGN(const auto value, parse_duration(values.front()));
            if (value.count() == 0 && !may_be_zero) return fail(Failure::invalid, "expected more than zero");
            if (value > std::chrono::days(365)) return fail(Failure::invalid, "expected at most 365d");
            member(config) = value;
            return {};
          },
          [member](const Config& config) {
            auto copy = config;
            return toml_text(render_duration(member(copy)));
          }};
}

Result<> check_listen(const std::string& text) {
  TRY(http::ListenAddress::parse(text));
  return {};
}
Result<> check_network(const std::string& text) {
  TRY(http::Network::parse(text));
  return {};
}
Result<> check_anonymous(const std::string& text) {
  if (text.empty()) return {};  // not stated: what `config show` prints can be read back
  TRY(access::anonymous_named(text));
  return {};
}
Result<> check_url(const std::string& text) {
  const bool scheme = text.starts_with("https://") || text.starts_with("http://");
  const auto host = scheme ? text.substr(text.find("//") + 2) : std::string();
  if (!text.empty() && (host.empty() || host.find_first_of("/?#\"\\ ,") != host.npos))
    return fail(Failure::invalid, "expected http:// or https:// and a host, without a path");
  return {};
}

Result<> check_store(const std::string& text) {
  if (text.empty()) return {};
  TRY(s3::parse_bucket_url(text, [](const char*) { return std::string(); }));
  return {};
}

Result<> check_catalog(const std::string& text) {
  if (text.empty()) return {};
  TRY(sql::PostgresAddress::parse(text));
  return {};
}

Result<> check_approval(const std::string& text) {
  TRY(access::parse_approval(text));
  return {};
}

Result<> check_mount(const std::string& text) {
  TRY(publish::parse_mount(text));
  return {};
}

Result<> check_opam_source(const std::string& text) {
  TRY(opam::parse_source_place(text));
  return {};
}

/// Shown without a password that it may have.
Key catalog_key() {
  auto key = text_key(
      "catalog.url", [](Config& c) -> auto& { return c.catalog; },
      "The catalog's database, if not SQLite in server.data: postgresql://USER@HOST:PORT/DATABASE; several servers may "
      "share it, and a store in a bucket. The password is better in ~/.pgpass or PGPASSWORD",
      check_catalog);
  key.show = [](const Config& config) {
    auto text = config.catalog;
    const auto host = text.find('@');
    const auto user = text.find("://");
    const auto password = user == text.npos ? text.npos : text.find(':', user + 3);
    if (host != text.npos && password < host) text.replace(password + 1, host - password - 1, "***");
    return toml_text(text);
  };
  return key;
}

#define FIELD(expression) [](Config& c) -> auto& { return c.expression; }

const std::vector<Key>& all_keys() {
  static const std::vector<Key> keys = {
      list_key("server.listen", &Config::listen,
               "Where to listen: HOST:PORT with a numeric address, [IPV6]:PORT or unix:/path; http:// or https:// in "
               "front decides about TLS, which else is on where tls.certificate is set",
               check_listen),
      text_key("server.data", FIELD(data), "Directory of the embedded store and catalog; made by the first start"),
      text_key(
          "server.url", FIELD(url),
          "What clients reach this server by, such as https://registry.example.org; unset: as each one did, by its "
          "Host field",
          check_url),
      boolean_key("server.read_only", &Config::read_only, "Answer pulls only; can be changed at run time"),
      duration_key(
          "server.journal_interval", FIELD(journal_interval),
          "How often what changed is written to the journal in the store, from which 'slipway rebuild' makes a "
          "lost catalog again"),
      number_key("server.workers", FIELD(workers), 0,
                 "Threads that run requests; 0: four a core, or 64 where the store is in a bucket"),
      number_key("server.pumps", FIELD(pumps), 0, "Threads that ship large answers; 0: one a core"),
      list_key(
          "server.proxies", &Config::proxies,
          "Addresses or networks of reverse proxies whose X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto and "
          "X-Request-Id are believed; \"unix\" for unix sockets",
          check_network),
      catalog_key(),
      text_key("store.url", FIELD(store),
               "Where the bytes are, if not in files below server.data: s3://BUCKET/PREFIX?endpoint=URL&region=REGION; "
               "further parameters are style, ca, storage_class, sse, sse_key. Keys come from where AWS's tools have "
               "them, the environment first",
               check_store),
      choice_key("store.redirect", &Config::redirect, {"always", "large", "never"},
                 "Which blobs of a bucket clients are sent there for, by a signed URL: always (all that are objects of "
                 "their own), large (of 1 MiB and more) or never"),
      duration_key("store.redirect_lifetime", FIELD(redirect_lifetime), "How long such a URL is good"),
      duration_key(
          "store.longest_transfer", FIELD(longest_transfer),
          "How long the bytes of a blob that nobody wants any more stay in the bucket, beyond the life of a URL, "
          "for those who are still reading them"),
      size_key(
          "store.cache", FIELD(store_cache),
          "Bytes of copies of a bucket's blobs that are kept below server.data; blobs of an eighth of that and more "
          "are not; 0: none"),
      text_key("tls.certificate", FIELD(tls_certificate),
               "PEM file with the certificate chain; read again when it changes"),
      text_key("tls.key", FIELD(tls_key), "PEM file with its private key"),
      text_key("access.htpasswd", FIELD(htpasswd),
               "File of users made by htpasswd -B; they may pull, push and delete; read again when it changes"),
      list_key("access.admins", &Config::admins, "Users of the htpasswd file who may also administer"),
      list_key("access.approval", &Config::approvals,
               "Channels and other tags that only some may move: \"REPOSITORY@CHANNEL USER…\" each, or \"*@CHANNEL "
               "USER…\"; administrators may anyway",
               check_approval),
      text_key("access.anonymous", FIELD(anonymous),
               "What needs no login: none, pull, push or all; unset: all where only this machine can connect and no "
               "users are configured, else none",
               check_anonymous),
      choice_key("access.challenge", &Config::challenge, {"bearer", "basic"},
                 "What clients are asked for: bearer (the Docker token protocol, which lets them pull without a login "
                 "too) or basic; both are understood"),
      duration_key("access.token_lifetime", FIELD(token_lifetime), "How long a token of that protocol is good"),
      boolean_key("access.public_metrics", &Config::public_metrics,
                  "Show /metrics to everybody, not only to administrators"),
      number_key("limits.connections", FIELD(limits.connections), 1, "Open connections in all; more are answered 503"),
      number_key("limits.connections_per_client", FIELD(limits.connections_per_client), 1,
                 "Open connections from one address; proxies and unix sockets are exempt"),
      size_key("limits.head_bytes", FIELD(limits.head_bytes), "Request line and header fields together; 431 past it",
               1U << 10, 128U << 10),
      number_key("limits.header_count", FIELD(limits.header_count), 1, "Header fields of a request; 431 past it"),
      duration_key("limits.head_timeout", FIELD(limits.head_timeout),
                   "From a request's first byte to the end of its head, and for a TLS handshake; 408 past it"),
      duration_key("limits.idle_timeout", FIELD(limits.idle_timeout),
                   "How long a connection may wait between requests"),
      number_key("limits.min_rate", FIELD(limits.min_rate), 0,
                 "Bytes a second that a body or an answer must move at, over each limits.rate_window"),
      duration_key("limits.rate_window", FIELD(limits.rate_window), "Over how long limits.min_rate is measured"),
      duration_key("limits.drain_timeout", FIELD(limits.drain_timeout),
                   "How long running requests may go on after SIGTERM"),
      size_key("limits.body_buffer_bytes", FIELD(limits.body_buffer_bytes),
               "Memory for request bodies of all connections together; past it they are handed on in smaller pieces"),
      number_key("limits.cold_reads", FIELD(limits.cold_reads), 1,
                 "Answers that may wait for the disk at once; more are answered 503"),
      size_key("limits.manifest_bytes", FIELD(manifest_bytes), "Largest manifest accepted, at most 32 MiB; 413 past it",
               1, 32U << 20),
      size_key("limits.blob_bytes", FIELD(blob_bytes), "Largest blob accepted; 0: no limit"),
      size_key("limits.keep_free", FIELD(keep_free),
               "Room on the disk that pushes leave for deletions, and are answered 507 for; 0: none"),
      number_key("limits.uploads", FIELD(uploads), 1, "Upload sessions open at once; 429 past it"),
      duration_key("limits.upload_expiry", FIELD(upload_expiry),
                   "An upload session that nobody touches this long ends"),
      choice_key("oci.sparse", &Config::sparse, {"none", "indexes", "all"},
                 "Which manifests are accepted although some of what they list is not in the repository: none, indexes "
                 "(images of platforms that are not kept here) or all"),
      size_key("cas.bytes", FIELD(cache.bytes_max),
               "Bytes of one plain HTTP cache (/cas/CACHE/KEY); past it the least recently used entries go"),
      size_key("cas.entry_bytes", FIELD(cache.entry_bytes_max), "Largest entry of such a cache; 413 past it"),
      list_key(
          "sites.mounts", &Config::mounts,
          "Where channels are served: \"HOST/PATH REPOSITORY@CHANNEL listing\" each; without HOST for any, without "
          "@CHANNEL its channel live, and with the word listing folders without an index show what is in them",
          check_mount),
      text_key("sites.folder", FIELD(site_folder),
               "A folder that is published at the start and whenever it changes, as repository site, and served at /"),
      boolean_key("sites.by_name", &Config::sites_by_name,
                  "Serve the channel live of each repository NAME at /NAME/ as well"),
      size_key("sites.memory", FIELD(sites_memory), "Memory for what is known of the trees that are read", 1U << 20),
      list_key(
          "opam.repositories", &Config::opam_repositories,
          "Opam repositories that are made of git repositories: \"REPOSITORY@CHANNEL GIT-URL#BRANCH\" each; without "
          "@CHANNEL its channel live, without #BRANCH the one that HEAD names",
          check_opam_source),
      duration_key("opam.poll", FIELD(opam_poll), "How often the git repositories are asked for something new"),
      duration_key(
          "opam.wait", FIELD(opam_wait),
          "How long what is new waits for the first try to fetch its sources before it is live; 0s: not at all", true),
      text_key("opam.hook_secret_file", FIELD(opam_hook_secret_file),
               "A file with the secret that git servers sign their notices of a push with (docs/opam.md)"),
      boolean_key("opam.dates", &Config::opam_dates,
                  "Read out of git's history when packages were first published; it is fetched without the files"),
      boolean_key("opam.private_sources", &Config::opam_private_sources,
                  "Fetch sources also from this machine and its own network: who writes packages could reach what only "
                  "this server can"),
      choice_key("log.level", &Config::log_level, {"debug", "info", "warn", "error", "off"},
                 "debug, info, warn, error or off; can be changed at run time"),
      choice_key("log.format", &Config::log_format, {"text", "json"}, "text for people, json for machines"),
      boolean_key("log.requests", &Config::log_requests, "One line for each request"),
  };
  return keys;
}

#undef FIELD

const Key* find_key(const std::string& name) {
  const auto found = std::ranges::find(all_keys(), name, &Key::name);
  return found == all_keys().end() ? nullptr : &*found;
}

Error unknown_key(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& key : all_keys()) names.push_back(key.name);
  const auto guess = nearest(name, names);
  return {Failure::invalid,
          "unknown key '" + name + "'" +
              (guess.empty() ? "; 'slipway config show' lists all" : "; did you mean '" + guess + "'?")};
}

/// A TOML value as texts, if it is of a kind that a key can have.
Result<std::vector<std::string>> texts_of(const toml::node& node, const std::string& kind) {
  const auto wrong = [&] {
    const auto* example = kind == "duration" ? " such as \"30s\"" : kind == "size" ? " such as \"4MiB\"" : "";
    return fail(Failure::invalid, "expected a " + kind + example);
  };
  const auto text_of = [](const toml::node& item) -> std::optional<std::string> {
    if (const auto* text = item.as_string()) return text->get();
    if (const auto* number = item.as_integer()) return std::to_string(number->get());
    if (const auto* flag = item.as_boolean()) return flag->get() ? "true" : "false";
    return std::nullopt;
  };
  if (const auto* array = node.as_array()) {
    if (kind != "list of texts") return wrong();
    std::vector<std::string> out;
    for (const auto& item : *array) {
      if (!item.is_string()) return wrong();
      out.push_back(*text_of(item));
    }
    return out;
  }
  const auto text = text_of(node);
  const bool fits = text && ((node.is_boolean() && kind == "boolean") ||
                             (node.is_integer() && (kind == "number" || kind == "size")) ||
                             (node.is_string() && kind != "boolean" && kind != "number"));
  if (!fits) return wrong();
  return std::vector{*text};
}

Result<> read_table(const toml::table& table, const std::string& prefix, const std::string& file, Config& config) {
  for (const auto& [name, node] : table) {
    const auto key_name = prefix.empty() ? std::string(name.str()) : prefix + "." + std::string(name.str());
    const auto where = fmt::format("{}:{}", file, node.source().begin.line);
    const auto* key = find_key(key_name);
    if (!key && node.is_table()) {
      TRY(read_table(*node.as_table(), key_name, file, config));
      continue;
    }
    if (!key) return std::unexpected(unknown_key(key_name).during(where));
    const auto values = texts_of(node, key->kind);
    if (!values) return std::unexpected(values.error().during(where + ": " + key_name));
    TRY(set_key(config, key_name, *values, where));
  }
  return {};
}

}  // namespace

std::vector<KeyView> keys_of(const Config& config) {
  const Config defaults;
  std::vector<KeyView> out;
  for (const auto& key : all_keys()) {
    const auto origin = config.origins.find(key.name);
    out.push_back({key.name, key.kind, key.show(config), key.show(defaults),
                   origin == config.origins.end() ? "default" : origin->second, key.meaning});
  }
  return out;
}

Result<> read_config_text(std::string_view text, const std::string& name, Config& config) {
  try {
    return read_table(toml::parse(text), "", name, config);
  } catch (const toml::parse_error& error) {
    return fail(Failure::invalid, fmt::format("{}:{}: {}", name, error.source().begin.line, error.description()));
  }
}

Result<> read_config(const std::filesystem::path& file, Config& config) {
  TRY_ASSIGN(const auto text, read_file(file, config_bytes_max));
  return read_config_text(text, file.string(), config);
}

Result<> set_key(Config& config, const std::string& name, const std::vector<std::string>& values,
                 const std::string& origin) {
  const auto* key = find_key(name);
  if (!key) return std::unexpected(unknown_key(name));
  if (auto set = key->set(config, values); !set)
    return std::unexpected(set.error().during(name == origin ? name : origin + ": " + name));
  config.origins[name] = origin;
  return {};
}

Result<> check_config(const Config& config) {
  if (config.tls_certificate.empty() != config.tls_key.empty())
    return fail(Failure::invalid, "tls.certificate and tls.key belong together: set both or neither");
  if (config.token_lifetime < std::chrono::seconds(1))
    return fail(Failure::invalid, "access.token_lifetime is less than a second: tokens would be of no use");
  if (config.redirect_lifetime > std::chrono::days(7))
    return fail(Failure::invalid, "store.redirect_lifetime is more than 7d: no object store takes such a URL");
  if (config.listen.empty()) return fail(Failure::invalid, "server.listen is empty: there is nowhere to listen");
  if (!config.admins.empty() && config.htpasswd.empty())
    return fail(Failure::invalid, "access.admins names users, but access.htpasswd is not set");
  return {};
}

std::filesystem::path find_config(const std::filesystem::path& given) {
  if (!given.empty()) return given;
  if (const char* named = std::getenv("SLIPWAY_CONFIG"); named && *named) return named;
  const std::filesystem::path system = "/etc/slipway/slipway.toml";
  std::error_code error;
  return std::filesystem::exists(system, error) ? system : std::filesystem::path();
}

}  // namespace slipway::cli
