#include "cli/store_place.hpp"

#include "blob/bucket_objects.hpp"
#include "blob/fs_store.hpp"
#include "blob/s3_store.hpp"
#include "s3/bucket_url.hpp"

#include <cstdlib>

namespace slipway::cli {
namespace {

class FilePlace final : public StorePlace {
public:
  static Result<std::unique_ptr<StorePlace>> open(const Config& config, StoreUse use) {
    const auto directory = config.data / "store";
    TRY_ASSIGN(auto store, open_store(directory, config.keep_free, use));
    return std::unique_ptr<StorePlace>(new FilePlace(directory, std::move(store)));
  }
  blob::BlobStore& store() override { return *m_store; }
  blob::Objects& journal() override { return m_journal; }
  blob::Objects& root() override { return m_root; }
  /// The folders are there already.
  Result<bool> is_unused() override { return m_store->is_empty(); }
  Result<Fd> hold_removals() override { return unless_read_only(m_store->hold_removals()); }
  Result<Fd> hold_copying() override { return unless_read_only(m_store->hold_copying()); }
  Result<> discard_unfinished() override { return m_store->discard_unfinished(); }
  const std::string& name() const override { return m_name; }

private:
  FilePlace(const std::filesystem::path& directory, std::unique_ptr<blob::FsStore> store)
      : m_name(directory.string()), m_store(std::move(store)), m_journal(directory / "journal"), m_root(directory) {}

  /// A backup on a medium that cannot be written to needs no holding.
  static Result<Fd> unless_read_only(Result<Fd> held) {
    return !held && held.error().failure == Failure::read_only ? Fd() : std::move(held);
  }
  static Result<std::unique_ptr<blob::FsStore>> open_store(const std::filesystem::path& directory,
                                                           std::uint64_t keep_free, StoreUse use) {
    if (use == StoreUse::make) return blob::FsStore::open(directory, keep_free);
    return use == StoreUse::copy ? blob::FsStore::open_copy(directory) : blob::FsStore::open_existing(directory);
  }

  const std::string m_name;
  std::unique_ptr<blob::FsStore> m_store;
  blob::FileObjects m_journal;
  blob::FileObjects m_root;
};

/// A directory of this process's, gone with it.
class Scratch {
public:
  static Result<std::unique_ptr<Scratch>> make() {
    std::error_code error;
    auto name = (std::filesystem::temp_directory_path(error) / "slipway-XXXXXX").string();
    if (error || !::mkdtemp(name.data())) return fail_errno(errno, "making a directory for parts (TMPDIR)");
    return std::unique_ptr<Scratch>(new Scratch(name));
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(m_path, ignored);
  }
  Scratch(const Scratch&) = delete;
  const std::filesystem::path& path() const { return m_path; }

private:
  explicit Scratch(std::filesystem::path path) : m_path(std::move(path)) {}
  const std::filesystem::path m_path;
};

blob::S3StoreOptions store_options(const Config& config, std::string prefix) {
  using blob::Redirect;
  const auto seconds = [](std::chrono::milliseconds time) { return std::chrono::ceil<std::chrono::seconds>(time); };
  return {.prefix = std::move(prefix),
          .spool = config.data,
          .cache_bytes = config.store_cache,
          .redirect = config.redirect == "always"  ? Redirect::always
                      : config.redirect == "large" ? Redirect::large
                                                   : Redirect::never,
          .url_lifetime = seconds(config.redirect_lifetime),
          .longest_transfer = seconds(config.longest_transfer)};
}

class BucketPlace final : public StorePlace {
public:
  static Result<std::unique_ptr<StorePlace>> open(const Config& config, const Clock& clock, StoreUse use) {
    const auto environment = s3::process_environment();
    TRY_ASSIGN(auto url, s3::parse_bucket_url(config.store, environment));
    std::unique_ptr<BucketPlace> place(new BucketPlace(url, s3::all_keys(environment, url.bucket.region), clock));
    auto options = store_options(config, url.prefix);
    if (use == StoreUse::beside || use == StoreUse::copy) {
      TRY_ASSIGN(place->m_scratch, Scratch::make());
      options.spool = place->m_scratch->path();
      options.cache_bytes = 0;
    }
    auto store = use == StoreUse::copy   ? blob::S3Store::open_copy(place->m_bucket, options)
                 : use == StoreUse::make ? blob::S3Store::open(place->m_bucket, options)
                                         : blob::S3Store::open_existing(place->m_bucket, options);
    if (!store) return std::unexpected(store.error().during(place->m_name));
    place->m_store = std::move(*store);
    return std::unique_ptr<StorePlace>(std::move(place));
  }
  blob::BlobStore& store() override { return *m_store; }
  blob::Objects& journal() override { return m_journal; }
  blob::Objects& root() override { return m_root; }
  Result<bool> is_unused() override { return m_bucket.is_empty(m_prefix); }
  Result<> discard_unfinished() override { return m_store->discard_unfinished(); }
  const std::string& name() const override { return m_name; }

private:
  BucketPlace(const s3::BucketUrl& url, std::vector<std::unique_ptr<s3::KeySource>> keys, const Clock& clock)
      : m_name("the store in bucket '" + url.bucket.bucket + "'"), m_prefix(url.prefix),
        m_keyring(std::move(keys), clock), m_bucket(url.bucket, m_keyring, clock),
        m_journal(m_bucket, url.prefix + "journal/"), m_root(m_bucket, url.prefix) {}

  const std::string m_name;
  const std::string m_prefix;
  s3::Keyring m_keyring;
  s3::Bucket m_bucket;
  blob::BucketObjects m_journal;
  blob::BucketObjects m_root;
  std::unique_ptr<Scratch> m_scratch;
  std::unique_ptr<blob::S3Store> m_store;
};

bool is_url(const std::string& place) { return place.find("://") != place.npos; }

}  // namespace

Result<std::unique_ptr<StorePlace>> StorePlace::open(const Config& config, const Clock& clock, StoreUse use) {
  return config.store.empty() ? FilePlace::open(config, use) : BucketPlace::open(config, clock, use);
}

Config with_store(Config config, const std::string& place) {
  config.store = is_url(place) ? place : std::string();
  if (!is_url(place)) config.data = place;
  return config;
}

std::string serve_command(const Config& config) {
  auto out = "slipway serve --data " + config.data.string();
  if (!config.store.empty()) out += " --store '" + config.store + "'";
  if (!config.catalog.empty()) out += " --catalog POSTGRESQL-URL";  // it may hold a password
  return out;
}

Config with_catalog(Config config, const std::string& place) {
  config.catalog = is_url(place) ? place : std::string();
  if (!is_url(place)) config.data = place;
  return config;
}

}  // namespace slipway::cli
