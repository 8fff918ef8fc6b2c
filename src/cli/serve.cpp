#include "admin/routes.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/version.hpp"
#include "cas/cas.hpp"
#include "cli/commands.hpp"
#include "cli/data_directory.hpp"
#include "cli/opam.hpp"
#include "http/server.hpp"
#include "lifecycle/janitor.hpp"
#include "lifecycle/journal_keeper.hpp"
#include "lifecycle/lease.hpp"
#include "oci/registry.hpp"
#include "opam/control.hpp"
#include "opam/gauges.hpp"
#include "opam/hook.hpp"
#include "publish/channels.hpp"
#include "publish/folder_watch.hpp"
#include "publish/sites.hpp"
#include "web/opam_pages.hpp"

#include <algorithm>
#include <csignal>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace slipway::cli {
namespace {

/// The signals the main thread waits for. Blocked before any thread starts, so that no other gets them.
class Signals {
public:
  Signals() {
    sigemptyset(&m_set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&m_set, number);
    pthread_sigmask(SIG_BLOCK, &m_set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  /// The next one, or 0 after `timeout`.
  int wait(std::chrono::seconds timeout) const {
    const timespec limit{timeout.count(), 0};
    return std::max(0, sigtimedwait(&m_set, nullptr, &limit));
  }

private:
  sigset_t m_set{};
};

/// Ten thousand connections need as many descriptors; the hard limit is what we were allowed.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// DESIGN's rule: open doors must be stated, never the result of forgetting.
Result<access::Anonymous> decide_anonymous(const Config& config, const std::vector<http::ListenAddress>& listen) {
  if (!config.anonymous.empty()) return access::anonymous_named(config.anonymous);
  if (!config.htpasswd.empty()) return access::Anonymous::nothing;
  if (std::ranges::all_of(listen, &http::ListenAddress::is_local)) {
    log::warn("no users are configured: everybody on this machine may do everything; set access.htpasswd to end that");
    return access::Anonymous::everything;
  }
  return fail(
      Failure::invalid,
      "a listen address can be reached from other machines, but no users are configured: set access.htpasswd, or state "
      "access.anonymous = \"none\", \"pull\", \"push\" or \"all\"");
}

/// Signs the tokens given to clients; kept in the catalog, so that they outlive a restart and replicas know each
/// other's.
Result<std::string> token_key(catalog::Catalog& catalog) {
  auto fresh = random_hex(32);
  if (!catalog.is_read_only()) return catalog.setting_or("token_key", fresh);
  TRY_ASSIGN(auto known, catalog.setting("token_key"));
  return known ? std::move(*known) : fresh;
}

Result<std::unique_ptr<access::Access>> open_access(const Config& config, access::Anonymous anonymous,
                                                    catalog::Catalog& catalog, const Clock& clock) {
  TRY_ASSIGN(const auto token, catalog.setting("admin_token"));
  TRY_ASSIGN(auto key, token_key(catalog));
  std::vector<access::Approval> approvals;
  for (const auto& text : config.approvals) {
    TRY_ASSIGN(auto approval, access::parse_approval(text));
    approvals.push_back(std::move(approval));
  }
  return access::Access::open(
      {.htpasswd = config.htpasswd,
       .admins = config.admins,
       .anonymous = anonymous,
       .approvals = std::move(approvals),
       .public_metrics = config.public_metrics,
       .admin_token_sha256 = token.value_or(""),
       .token_key = std::move(key),
       .token_lifetime = std::chrono::duration_cast<std::chrono::seconds>(config.token_lifetime)},
      clock);
}

Result<http::ServerOptions> server_options(const Config& config, std::vector<http::ListenAddress> listen) {
  http::ServerOptions options{.listen = std::move(listen),
                              .tls_certificate = config.tls_certificate,
                              .tls_key = config.tls_key,
                              .limits = config.limits,
                              .workers = config.workers,
                              .pumps = config.pumps,
                              .log_requests = config.log_requests};
  for (const auto& text : config.proxies) {
    TRY_ASSIGN(auto network, http::Network::parse(text));
    options.proxies.push_back(network);
  }
  return options;
}

/// Whoever puts a part into a bucket, or fetches one, waits for other machines most of the time.
void make_room_for_waiting(http::ServerOptions& options) {
  constexpr std::size_t waiting_workers = 64;
  constexpr std::size_t waiting_readers = 32;
  if (options.workers == 0) options.workers = waiting_workers;
  options.readers = waiting_readers;
}

oci::RegistryOptions registry_options(const Config& config) {
  return {.manifest = {.size_max = config.manifest_bytes},
          .blob_bytes_max = config.blob_bytes,
          .uploads_max = config.uploads,
          .sparse = config.sparse == "all"       ? oci::Sparse::all
                    : config.sparse == "indexes" ? oci::Sparse::indexes
                                                 : oci::Sparse::none,
          .basic_challenge = config.challenge == "basic",
          .url = config.url};
}

/// What sites.folder is published to.
constexpr const char* site_repository = "site";

Result<publish::SiteOptions> site_options(const Config& config) {
  publish::SiteOptions out{.mounts = {}, .by_name = config.sites_by_name, .cache_bytes = config.sites_memory};
  for (const auto& text : config.mounts) {
    TRY_ASSIGN(auto mount, publish::parse_mount(text));
    out.mounts.push_back(std::move(mount));
  }
  const auto is_root = [](const publish::Mount& mount) { return mount.host.empty() && mount.path == "/"; };
  if (!config.site_folder.empty() && std::ranges::none_of(out.mounts, is_root))
    out.mounts.push_back({.host = {}, .path = "/", .repository = site_repository, .channel = publish::live_channel});
  return out;
}

/// A folder that is published as it changes, by a client within this process.
class SiteFolder {
public:
  SiteFolder(const std::string& folder, oci::Registry& registry)
      : m_client(
            [this, ask = ask_registry(registry, "sites.folder")](
                const http::ClientRequest& request) -> Result<http::ClientResponse> {
              if (m_is_ending) return fail(Failure::conflict, "the server stops");
              return ask(request);
            },
            {.url = "this server", .repository = site_repository, .authorization = {}, .ca_file = {}}),
        m_watch(folder, m_client, publish::live_channel) {}
  /// What is being published is left as it is.
  ~SiteFolder() { m_is_ending = true; }
  SiteFolder(const SiteFolder&) = delete;

private:
  std::atomic<bool> m_is_ending{false};
  publish::RegistryClient m_client;
  publish::FolderWatch m_watch;  // the last: it uses the client
};

/// Of the catalog, said once at the start.
Result<> tell_risks(catalog::Catalog& catalog) {
  TRY_ASSIGN(const auto risks, catalog.risks());
  for (const auto& risk : risks) log::warn("what is acknowledged may be lost", {{"risk", risk}});
  return {};
}

/// Fails where a newer server that shares the catalog has made of it what this one cannot use, or it goes on in another
/// place or with another store: what it would write from then on would be wrong.
Result<> check_catalog(DataDirectory& directory) {
  auto& catalog = directory.catalog();
  if (!catalog.is_shared()) return {};
  const auto version = catalog.schema_version();
  auto usable = version ? directory.expect_place() : std::unexpected(version.error());
  const bool is_known =
      usable || usable.error().failure == Failure::invalid || usable.error().failure == Failure::conflict;
  if (usable || !is_known) return {};  // else it cannot be asked now
  log::error("stopping", {{"error", usable.error().message}});
  return usable;
}

/// Until SIGTERM or SIGINT, or until check_catalog() fails; SIGHUP and a look every two seconds read the users again.
Result<> wait_for_end(const Signals& signals, access::Access& access, DataDirectory& directory) {
  constexpr unsigned looks_at_clocks = 15;
  for (unsigned look = 1;; ++look) {
    const int number = signals.wait(std::chrono::seconds(2));
    if (look % looks_at_clocks == 0)
      if (const auto compared = directory.compare_clocks(); !compared)
        log::warn("the catalog's time cannot be had", {{"error", compared.error().message}});
    if (number == SIGTERM || number == SIGINT) {
      log::info("stopping", {{"signal", number == SIGTERM ? "SIGTERM" : "SIGINT"}});
      return {};
    }
    TRY(check_catalog(directory));
    if (const auto reloaded = access.reload_if_changed(); !reloaded)
      log::error("the new users cannot be used; the old ones stay", {{"error", reloaded.error().message}});
    else if (*reloaded)
      log::info("users reloaded");
  }
}

Result<> serve(const Config& config) {
  log::configure(*log::level_named(config.log_level),
                 config.log_format == "json" ? log::Format::json : log::Format::text);
  const Signals signals;
  raise_descriptor_limit();
  std::vector<http::ListenAddress> listen;
  for (const auto& text : config.listen) {
    TRY_ASSIGN(auto address, http::ListenAddress::parse(text));
    listen.push_back(std::move(address));
  }

  TRY_ASSIGN(const auto anonymous, decide_anonymous(config, listen));
  if (std::error_code error; !config.site_folder.empty() && !std::filesystem::is_directory(config.site_folder, error))
    return fail(Failure::not_found, "sites.folder: there is no folder " + config.site_folder);

  const SystemClock system_clock;
  Metrics metrics;
  TRY_ASSIGN(const auto directory, DataDirectory::open(config, system_clock, true));
  const auto& clock = directory->clock();
  auto& catalog = directory->catalog();
  auto& store = directory->store();
  TRY(tell_risks(catalog));
  catalog.set_read_only(config.read_only);
  const auto opened = open_access(config, anonymous, catalog, clock);
  if (!opened) return std::unexpected(opened.error().during(directory->path().string()));
  const auto& access = *opened;

  lifecycle::Lease opam_lease(catalog, "opam");
  TRY_ASSIGN(auto opam_options, opam_options_of(config, directory->path()));
  opam_options.repository.is_ours = [&opam_lease] { return opam_lease.hold(); };
  TRY_ASSIGN(const auto opam, opam::Repositories::open(std::move(opam_options), catalog, clock));
  TRY_ASSIGN(auto sites_options, site_options(config));
  web::OpamPages opam_pages(*opam, catalog, clock);
  sites_options.view_of = [&opam, &opam_pages](const std::string& repository) -> publish::View* {
    return opam->has(repository) ? &opam_pages : nullptr;
  };
  publish::Sites sites(catalog, store, *access, clock, std::move(sites_options));
  auto registry_rules = registry_options(config);
  registry_rules.check_manifest = [&sites](const std::string& repository, const catalog::NewManifest& manifest) {
    return sites.check_pushed(repository, manifest);
  };
  oci::Registry registry(catalog, store, directory->store_id(), *access, std::move(registry_rules));
  admin::Instance instance{.catalog = catalog,
                           .store = store,
                           .journal = catalog::Journal(directory->database()),
                           .journal_objects = directory->journal(),
                           .clock = clock,
                           .data = directory->path(),
                           .urls = {},
                           .started_at = clock.now()};
  opam::Control opam_control(*opam, catalog, sites.trees(), clock);
  instance.opam = &opam_control;
  http::Router router;
  router.add("/v2", [&](http::Request& request) { return registry.handle(request); });
  cas::Caches caches(catalog, store, directory->store_id(), *access, clock, metrics, config.cache);
  router.add("/cas", [&](http::Request& request) { return caches.handle(request); });
  router.add("/", [&](http::Request& request) { return sites.handle(request); });
  const auto collector = admin::add_routes(router, instance, *access, metrics);
  TRY_ASSIGN(auto hook_secret, read_hook_secret(config));
  constexpr const char* hooks = "/api/v1/opam/hook";
  router.add(hooks, opam::hook_handler(hooks, std::move(hook_secret), *opam));
  const auto opam_gauges = opam::publish_gauges(*opam, catalog, clock, metrics);

  lifecycle::Lease housekeeping(catalog, "housekeeping");
  lifecycle::JournalKeeper journal(
      instance.journal, directory->journal(), metrics,
      {.interval = config.journal_interval, .is_ours = [&housekeeping] { return housekeeping.hold(); }});
  lifecycle::Janitor janitor(catalog, store, clock,
                             {.upload_expiry = std::chrono::duration_cast<std::chrono::seconds>(config.upload_expiry),
                              .journaled = [&journal] { return journal.surely_known(); },
                              .is_ours = [&housekeeping] { return housekeeping.hold(); }});
  TRY_ASSIGN(auto options, server_options(config, listen));
  if (store.is_remote()) make_room_for_waiting(options);
  options.on_listening = [&](const std::vector<std::string>& urls) { instance.urls = urls; };
  TRY_ASSIGN(const auto server, http::Server::start(std::move(options), std::ref(router), metrics));
  if (auto announced = directory->announce(server->urls()); !announced) {
    // A full disk is no reason not to serve what is there; only commands do not find us by themselves then.
    if (announced.error().failure != Failure::no_space) return announced;
    log::warn("commands on this machine need --server to find this one", {{"error", announced.error().message}});
  }
  for (const auto& url : server->urls())
    log::info(
        "serving",
        {{"url", url}, {"data", directory->path().string()}, {"version", version()}, {"read_only", config.read_only}});
  std::optional<SiteFolder> site_folder;
  if (!config.site_folder.empty()) site_folder.emplace(config.site_folder, registry);
  if (!config.read_only) opam->start(ask_registry(registry, "opam"), sites.trees());
  auto ended = wait_for_end(signals, *access, *directory);
  opam->stop();
  site_folder.reset();
  server->drain();
  log::info("stopped");
  return ended;
}

}  // namespace

int run_serve(const Common& common) {
  const auto config = load_config(common);
  if (!config) return report(config.error());
  if (const auto served = serve(*config); !served) return report(served.error());
  return exit_done;
}

}  // namespace slipway::cli
