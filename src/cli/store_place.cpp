#include "cli/store_place.hpp"

#include "blob/bucket_objects.hpp"
#include "blob/fs_store.hpp"
#include "blob/s3_store.hpp"
#include "s3/bucket_url.hpp"

namespace slipway::cli {
namespace {

class FilePlace final : public StorePlace {
public:
  static Result<std::unique_ptr<StorePlace>> open(const Config& config, bool create) {
    const auto directory = config.data / "store";
    TRY_ASSIGN(auto store,
               create ? blob::FsStore::open(directory, config.keep_free) : blob::FsStore::open_existing(directory));
    return std::unique_ptr<StorePlace>(new FilePlace(directory, std::move(store)));
  }
  blob::BlobStore& store() override { return *m_store; }
  blob::Objects& journal() override { return m_journal; }

private:
  FilePlace(const std::filesystem::path& directory, std::unique_ptr<blob::FsStore> store)
      : m_store(std::move(store)), m_journal(directory / "journal") {}
  std::unique_ptr<blob::FsStore> m_store;
  blob::FileObjects m_journal;
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
  static Result<std::unique_ptr<StorePlace>> open(const Config& config, const Clock& clock) {
    const auto environment = s3::process_environment();
    TRY_ASSIGN(auto url, s3::parse_bucket_url(config.store, environment));
    std::unique_ptr<BucketPlace> place(new BucketPlace(url, s3::all_keys(environment, url.bucket.region), clock));
    auto store = blob::S3Store::open(place->m_bucket, store_options(config, url.prefix));
    if (!store) return std::unexpected(store.error().during("the store in bucket '" + url.bucket.bucket + "'"));
    place->m_store = std::move(*store);
    return std::unique_ptr<StorePlace>(std::move(place));
  }
  blob::BlobStore& store() override { return *m_store; }
  blob::Objects& journal() override { return m_journal; }

private:
  BucketPlace(const s3::BucketUrl& url, std::vector<std::unique_ptr<s3::KeySource>> keys, const Clock& clock)
      : m_keyring(std::move(keys), clock), m_bucket(url.bucket, m_keyring, clock),
        m_journal(m_bucket, url.prefix + "journal/") {}
  s3::Keyring m_keyring;
  s3::Bucket m_bucket;
  blob::BucketObjects m_journal;
  std::unique_ptr<blob::S3Store> m_store;
};

}  // namespace

Result<std::unique_ptr<StorePlace>> StorePlace::open(const Config& config, const Clock& clock, bool create) {
  return config.store.empty() ? FilePlace::open(config, create) : BucketPlace::open(config, clock);
}

Result<> expect_sqlite(const Config& config, const std::string& command) {
  if (config.catalog.empty()) return {};
  return fail(Failure::invalid,
              "'slipway " + command +
                  "' works with a catalog in SQLite; this configuration's is elsewhere (catalog.url)");
}

Result<> expect_files(const Config& config, const std::string& command) {
  TRY(expect_sqlite(config, command));
  if (config.store.empty()) return {};
  return fail(Failure::invalid,
              "'slipway " + command + "' works with a store in files; this configuration's is in a bucket (store.url)");
}

}  // namespace slipway::cli
