// An upload's resume token, as if the catalog had been damaged: it is refused, or the upload goes on and comes to
// digests; its next token resumes to the same.

#include "blob/intake.hpp"
#include "input.hpp"

#include <algorithm>
#include <charconv>

using namespace slipway;

namespace {

/// One upload's bytes in memory; its token is their number in decimal.
class MemoryUpload final : public blob::Upload {
public:
  MemoryUpload(std::string& bytes, std::size_t position) : m_bytes(bytes) { m_bytes.resize(position); }
  std::uint64_t position() const override { return m_bytes.size(); }
  Result<> write(ByteView bytes) override {
    m_bytes.append(as_text(bytes));
    return {};
  }
  Result<blob::ResumeToken> suspend() override { return std::to_string(m_bytes.size()); }
  Result<std::size_t> read(std::span<std::byte> out, std::uint64_t offset) override {
    const auto rest = as_bytes(m_bytes).subspan(offset);
    const auto size = std::min(out.size(), rest.size());
    std::ranges::copy(rest.first(size), out.begin());
    return size;
  }
  Result<blob::Location> finish() override { return blob::Location{.range = {0, m_bytes.size()}}; }
  Result<> abandon() override { return {}; }

private:
  std::string& m_bytes;
};

class MemoryStore final : public blob::BlobStore {
public:
  std::string bytes = std::string(300, 'x');

  Result<std::unique_ptr<blob::Upload>> begin(blob::LocationId, bool) override {
    return std::make_unique<MemoryUpload>(bytes, 0);
  }
  Result<std::unique_ptr<blob::Upload>> resume(blob::LocationId, const blob::ResumeToken& token,
                                               blob::Predecessor) override {
    std::size_t position = 0;
    const auto [end, bad] = std::from_chars(token.data(), token.data() + token.size(), position);
    if (bad != std::errc() || end != token.data() + token.size() || position > bytes.size())
      return fail(Failure::corrupt, "no such upload");
    return std::make_unique<MemoryUpload>(bytes, position);
  }
  Result<std::vector<blob::Location>> put_small(std::span<const blob::SmallBlob> blobs) override {
    return std::vector<blob::Location>(blobs.size());
  }

  // Not for uploads.
  Result<FileSlice> open(const blob::Location&, ByteRange) override { return fail(Failure::not_found, "no blob"); }
  Result<std::unique_ptr<blob::Upload>> begin_copy(const blob::Location&) override {
    return fail(Failure::invalid, "not for uploads");
  }
  Result<std::optional<std::uint64_t>> sealed_size(const std::string&) override { return std::nullopt; }
  Result<> remove(const blob::Location&) override { return {}; }
  Result<std::string> identity() override { return "memory"; }
  Result<bool> is_empty() override { return true; }
  Result<blob::LocationId> highest(blob::LocationId) override { return blob::LocationId{}; }
  bool is_finished(blob::LocationId) override { return false; }
  Result<blob::Space> space() override { return blob::Space{}; }
  Result<> list(const std::function<void(const blob::Location&)>&) override { return {}; }
};

void check_hasher(std::string_view state) {
  auto hasher = Hasher::restore(state);
  if (!hasher) {
    SLIPWAY_INVARIANT(hasher.error().failure == Failure::corrupt);
    return;
  }
  const auto before = hasher->digest();
  SLIPWAY_INVARIANT(hasher->save() == state && hasher->digest() == before);
  const std::string more(200, 'y');  // more than a block of either algorithm
  for (const std::size_t size : {0U, 1U, 127U, 200U}) hasher->update(as_bytes(more).first(size));
  SLIPWAY_INVARIANT(hasher->save().size() <= 256);
  auto again = Hasher::restore(hasher->save());
  SLIPWAY_INVARIANT(again && again->algorithm() == hasher->algorithm() && again->digest() == hasher->digest());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string token(Input(data, size).rest());
  check_hasher(token);

  MemoryStore store;
  const blob::LocationId id{1};
  SLIPWAY_INVARIANT(blob::Intake::unfinished(id, token).key.size() <= token.size());
  auto intake = blob::Intake::resume(store, id, token);
  if (!intake) {
    SLIPWAY_INVARIANT(intake.error().failure == Failure::corrupt);
    return 0;
  }
  SLIPWAY_INVARIANT(intake->write(as_bytes(std::string_view("more bytes"))));
  SLIPWAY_INVARIANT(intake->digest(Algorithm::sha256) && intake->digest(Algorithm::sha512));
  const auto digests = intake->digests();
  SLIPWAY_INVARIANT(!digests.empty());

  const auto next = intake->suspend();
  SLIPWAY_INVARIANT(next);
  auto resumed = blob::Intake::resume(store, id, *next);
  SLIPWAY_INVARIANT(resumed && resumed->position() == intake->position() && resumed->digests() == digests);
  SLIPWAY_INVARIANT(resumed->finish());
  return 0;
}
