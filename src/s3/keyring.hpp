#pragma once
// Where the keys for an object store come from, in the order and by the names that AWS's own tools use.

#include "base/clock.hpp"
#include "base/result.hpp"
#include "s3/signer.hpp"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace slipway::s3 {

struct Keys {
  Credentials credentials;
  std::optional<Timestamp> expires;  ///< nothing: never
};

/// One place to look for keys. One call at a time.
class KeySource {
public:
  virtual ~KeySource() = default;
  /// Nothing where this place is not in use here. An error where it is, and fails.
  virtual Result<std::optional<Keys>> fetch() = 0;
};

/// The first source that has keys, asked again before they expire. Safe to call from any thread; one at a time asks,
/// while the others go on with what there is.
class Keyring {
public:
  Keyring(std::vector<std::unique_ptr<KeySource>> sources, const Clock& clock)
      : m_sources(std::move(sources)), m_clock(clock) {}

  /// Failure::unavailable, naming all places, where none has any.
  Result<Credentials> get();
  /// The store takes these no more: the next get() asks the sources again.
  void forget(const Credentials& credentials);

private:
  Result<Keys> ask();

  const std::vector<std::unique_ptr<KeySource>> m_sources;  // whoever has set m_is_asking may ask them
  const Clock& m_clock;
  std::mutex m_mutex;  // guards what follows
  std::condition_variable m_asked;
  bool m_is_asking = false;
  std::optional<Keys> m_keys;
  std::optional<Error> m_failure;  // of the last time they were asked
  Timestamp m_ask_again_at{};      // not before, while the keys are good
};

/// A variable of the environment; empty where it is not set.
using Environment = std::function<std::string(const char* name)>;
/// The process's own.
Environment process_environment();

/// Keys that somebody has written down.
std::unique_ptr<KeySource> fixed_keys(Credentials credentials);
/// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.
std::unique_ptr<KeySource> environment_keys(Environment environment);
/// AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, as Kubernetes sets them; asks the security token service of AWS, or
/// the one at AWS_ENDPOINT_URL_STS.
std::unique_ptr<KeySource> web_identity_keys(Environment environment, std::string region);
/// AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials; the section AWS_PROFILE, else "default".
std::unique_ptr<KeySource> file_keys(Environment environment);
/// The role of an EC2 machine, by its metadata service (IMDSv2), unless AWS_EC2_METADATA_DISABLED is "true". Another
/// one is named by AWS_EC2_METADATA_SERVICE_ENDPOINT.
std::unique_ptr<KeySource> machine_keys(Environment environment);

/// Those of the environment, then web identity, the file, the machine.
std::vector<std::unique_ptr<KeySource>> all_keys(const Environment& environment, const std::string& region);

/// The keys of a section of an AWS credentials file; nothing where it has none. Pure.
std::optional<Credentials> read_credentials_file(std::string_view text, std::string_view section);

}  // namespace slipway::s3
