#pragma once
// A BlobStore that passes everything on to another, but for the one call that its plan lets fail.

#include "blob/store.hpp"
#include "support/fault_plan.hpp"

namespace slipway::test {

class FaultyStore final : public blob::BlobStore {
public:
  explicit FaultyStore(blob::BlobStore& store) : m_store(store) {}

  FaultPlan plan;

  Result<FileSlice> open(const blob::Location& location, ByteRange range) override {
    return plan.run([&] { return m_store.open(location, range); });
  }
  Result<std::unique_ptr<blob::Upload>> begin(blob::LocationId id, bool resumable) override {
    return wrapped(plan.run([&] { return m_store.begin(id, resumable); }));
  }
  Result<std::unique_ptr<blob::Upload>> resume(blob::LocationId id, const blob::ResumeToken& token,
                                               blob::Predecessor predecessor) override {
    return wrapped(plan.run([&] { return m_store.resume(id, token, predecessor); }));
  }
  Result<std::unique_ptr<blob::Upload>> begin_copy(const blob::Location& location) override {
    return wrapped(plan.run([&] { return m_store.begin_copy(location); }));
  }
  Result<std::vector<blob::Location>> put_small(std::span<const blob::SmallBlob> blobs) override {
    return plan.run([&] { return m_store.put_small(blobs); });
  }
  Result<std::optional<std::uint64_t>> sealed_size(const std::string& pack) override {
    return plan.run([&] { return m_store.sealed_size(pack); });
  }
  Result<> remove(const blob::Location& location) override {
    return plan.run([&] { return m_store.remove(location); });
  }
  Result<std::string> identity() override {
    return plan.run([&] { return m_store.identity(); });
  }
  Result<bool> is_empty() override {
    return plan.run([&] { return m_store.is_empty(); });
  }
  Result<blob::LocationId> highest(blob::LocationId from) override {
    return plan.run([&] { return m_store.highest(from); });
  }
  bool is_finished(blob::LocationId id) override { return m_store.is_finished(id); }
  Result<blob::Space> space() override {
    return plan.run([&] { return m_store.space(); });
  }
  Result<> expect_room() override {
    return plan.run([&] { return m_store.expect_room(); });
  }
  Result<> list(const std::function<void(const blob::Location&)>& each) override {
    return plan.run([&] { return m_store.list(each); });
  }

private:
  class FaultyUpload final : public blob::Upload {
  public:
    FaultyUpload(std::unique_ptr<blob::Upload> upload, FaultPlan& plan) : m_upload(std::move(upload)), m_plan(plan) {}
    std::uint64_t position() const override { return m_upload->position(); }
    Result<> write(ByteView bytes) override {
      return m_plan.run([&] { return m_upload->write(bytes); });
    }
    Result<blob::ResumeToken> suspend() override {
      return m_plan.run([&] { return m_upload->suspend(); });
    }
    Result<std::size_t> read(std::span<std::byte> out, std::uint64_t offset) override {
      return m_plan.run([&] { return m_upload->read(out, offset); });
    }
    Result<blob::Location> finish() override {
      return m_plan.run([&] { return m_upload->finish(); });
    }
    Result<> abandon() override {
      return m_plan.run([&] { return m_upload->abandon(); });
    }

  private:
    std::unique_ptr<blob::Upload> m_upload;
    FaultPlan& m_plan;
  };

  Result<std::unique_ptr<blob::Upload>> wrapped(Result<std::unique_ptr<blob::Upload>> upload) {
    if (!upload) return upload;
    return std::make_unique<FaultyUpload>(std::move(*upload), plan);
  }

  blob::BlobStore& m_store;
};

}  // namespace slipway::test
