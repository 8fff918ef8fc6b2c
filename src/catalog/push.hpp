#pragma once
// A push in one request: bytes on their way to a blob that no upload session of a client's stands for.

#include "blob/intake.hpp"
#include "catalog/catalog.hpp"

#include <utility>

namespace slipway::catalog {

struct PushOptions {
  std::string repository;
  std::string_view kind;  ///< of the repository, should it be new
  std::string who;
  std::vector<Algorithm> announced;             ///< as Intake::begin() wants them
  std::optional<std::uint64_t> content_length;  ///< if the request tells
  std::size_t uploads_max = 10'000;             ///< sessions that may be open
};

/// Where the store keeps what a process was doing when it died, the catalog has a session for the push, which names its
/// bytes until the commit does. One thread at a time.
class Push {
public:
  /// busy where too many sessions are open.
  static Result<Push> begin(Catalog& catalog, blob::BlobStore& store, PushOptions options);
  Push(Push&& other) noexcept
      : m_catalog(other.m_catalog), m_session(std::exchange(other.m_session, {})), m_intake(std::move(other.m_intake)) {
  }
  /// Unless the session has ended: its bytes are removed later.
  ~Push();

  blob::Intake& intake() { return m_intake; }
  /// To be ended by the commit; empty without one.
  const UploadClaim& session() const { return m_session; }
  /// A commit has ended the session.
  void ended() { m_session = {}; }

private:
  Push(Catalog& catalog, UploadClaim session, blob::Intake intake)
      : m_catalog(catalog), m_session(std::move(session)), m_intake(std::move(intake)) {}

  Catalog& m_catalog;
  UploadClaim m_session;
  blob::Intake m_intake;
};

}  // namespace slipway::catalog
