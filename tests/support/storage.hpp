#pragma once
// A catalog in a directory of its own over a store in memory, whose calls can be made to fail: what fixtures stand on.

#include "blob/intake.hpp"
#include "catalog/catalog.hpp"
#include "sql/sqlite.hpp"
#include "support/faulty_store.hpp"
#include "support/manual_clock.hpp"
#include "support/memory_objects.hpp"
#include "support/memory_store.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

namespace slipway::test {

/// To be inherited by a fixture.
class Storage {
protected:
  /// Puts content into a repository; where it is known already, its bytes are unwanted.
  catalog::StoredBlob push(const std::string& repository, const std::string& text) {
    auto intake = blob::Intake::begin(m_bytes, m_catalog->next_location().value(), false).value();
    EXPECT_TRUE(intake.write(as_bytes(text)));
    const auto digests = intake.digests();
    const auto store_id = m_bytes.identity().value();
    return m_catalog->commit_blob(repository, digests, intake.finish().value(), store_id, {}, false).value();
  }

  TempDirectory m_directory;
  ManualClock m_clock;
  MemoryStore m_bytes;
  FaultyStore m_store{m_bytes};
  MemoryObjects m_objects;
  std::unique_ptr<sql::SqliteDatabase> m_database =
      std::move(sql::SqliteDatabase::open(m_directory / "catalog.sqlite").value());
  std::unique_ptr<catalog::Catalog> m_catalog = std::move(catalog::Catalog::open(*m_database, m_clock).value());
};

}  // namespace slipway::test
