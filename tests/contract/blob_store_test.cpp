#include "blob_store_contract.hpp"

#include "blob/fs_store.hpp"
#include "support/memory_store.hpp"
#include "support/temp_directory.hpp"

namespace slipway::blob {
namespace {

class FsGround final : public Ground {
public:
  std::unique_ptr<BlobStore> open() override { return std::move(FsStore::open(m_directory / "store").value()); }

private:
  test::TempDirectory m_directory;
};

class MemoryGround final : public Ground {
public:
  std::unique_ptr<BlobStore> open() override { return std::make_unique<test::MemoryStore>(m_disk); }

private:
  std::shared_ptr<test::MemoryDisk> m_disk = std::make_shared<test::MemoryDisk>();
};

INSTANTIATE_TEST_SUITE_P(
    Stores, BlobStoreContract,
    testing::Values(Kind{"Fs", [] { return std::unique_ptr<Ground>(std::make_unique<FsGround>()); }},
                    Kind{"Memory", [] { return std::unique_ptr<Ground>(std::make_unique<MemoryGround>()); }}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace slipway::blob
