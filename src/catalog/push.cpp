#include "catalog/push.hpp"

#include "base/log.hpp"

namespace slipway::catalog {

Result<Push> Push::begin(Catalog& catalog, blob::BlobStore& store, PushOptions options) {
  auto room = blob::SmallBytes::take_room();
  const bool stays_in_memory = room && options.content_length && *options.content_length <= blob::small_bytes_max;
  blob::LocationId location{};
  UploadClaim session;
  if (store.is_remote() && !stays_in_memory) {
    TRY_ASSIGN(const auto upload,
               catalog.begin_push(options.repository, options.kind, options.who, options.uploads_max));
    location = upload.location;
    session = upload.claim();
  } else {
    TRY_ASSIGN(location, catalog.next_location());
  }
  TRY_ASSIGN(auto intake, blob::Intake::begin(store, location, false, std::move(options.announced), std::move(room)));
  return Push(catalog, std::move(session), std::move(intake));
}

Push::~Push() {
  if (m_session.id.empty()) return;
  if (const auto ended = m_catalog.remove_upload(m_session.id); !ended)
    log::warn("a broken push is forgotten later", {{"error", ended.error().message}});
}

}  // namespace slipway::catalog
