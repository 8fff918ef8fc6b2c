// A part of the journal, as if the store had been damaged, or somebody else had written to it: it is refused, or it
// makes a catalog, and never anything else than rows of the tables it may speak of.
//
// Input: a byte that says whether its checksum is put right, then the part.

#include "catalog/rebuild.hpp"
#include "input.hpp"
#include "lifecycle/journal_objects.hpp"
#include "sql/sqlite.hpp"
#include "support/temp_directory.hpp"

using namespace slipway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const bool seal = input.number<std::uint8_t>() % 2 == 0;
  std::string part(input.rest());
  if (const auto object = lifecycle::journal_object(part))
    SLIPWAY_INVARIANT(lifecycle::journal_object(lifecycle::name_of(*object)) == object);
  if (seal) {
    const auto end = part.rfind("{\"rows\"");
    part.resize(end == part.npos ? part.size() : end);
    if (!part.ends_with('\n')) part += '\n';
    part += R"({"rows":0,"sha256":")" + to_hex(digest_of(as_bytes(part)).value()) + "\"}\n";
  }

  static const test::TempDirectory directory;
  const auto file = directory / "catalog.sqlite";
  for (const auto* suffix : {"", "-wal", "-shm", "-journal"}) std::filesystem::remove(file.string() + suffix);
  const auto database = sql::SqliteDatabase::open(file, sql::SqliteMode::fill);
  SLIPWAY_INVARIANT(database);
  catalog::Rebuild rebuild(**database, system_clock());
  const auto applied = rebuild.apply(part);
  if (!applied) {
    const auto failure = applied.error().failure;
    // Rows that the tables themselves refuse are conflicts, or of the wrong type.
    SLIPWAY_INVARIANT(failure == Failure::corrupt || failure == Failure::invalid || failure == Failure::conflict ||
                      failure == Failure::io || failure == Failure::too_large);
    return 0;
  }
  static_cast<void>(rebuild.finish());
  return 0;
}
