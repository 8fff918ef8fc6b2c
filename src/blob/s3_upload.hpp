#pragma once
// An upload to a bucket: parts go out as soon as they are whole, by way of a file, so that memory never holds one.

#include "base/digest.hpp"
#include "blob/s3_store.hpp"

namespace slipway::blob {

/// What a token says.
struct S3Progress {
  std::string key;                     ///< of the object to be; keys are without the store's prefix here
  std::uint64_t position = 0;          ///< bytes so far
  std::string upload_id;               ///< of the upload in parts; empty: none was begun
  int next_part = 1;                   ///< parts before this one are there
  std::uint64_t tail_bytes = 0;        ///< after the parts, in an object of their own
  std::string tail;                    ///< that object's key; empty: there is none
  std::vector<std::string> leftovers;  ///< keys that nobody needs once the catalog has this
  bool is_contested = false;           ///< somebody else may have put, or be putting, what no token tells of

  ResumeToken token() const;
  /// Failure::corrupt where it is none of this location.
  static Result<S3Progress> read(LocationId id, const ResumeToken& token);
};

/// See Upload.
class S3Upload final : public Upload {
public:
  /// To `key`; to one of its own where that is empty. Of a whole pack, `id` is none.
  S3Upload(S3Store& store, LocationId id, std::shared_ptr<const Fd> spool, const std::string& key = {});
  ~S3Upload() override;

  /// Goes on from there. not_found where the bytes are gone.
  Result<> go_on(const S3Progress& progress, Predecessor predecessor);

  std::uint64_t position() const override { return m_at.position; }
  Result<> write(ByteView bytes) override;
  Result<ResumeToken> suspend() override;
  Result<std::size_t> read(std::span<std::byte> out, std::uint64_t offset) override;
  Result<Location> finish() override;
  Result<> abandon() override;

private:
  std::uint64_t part_bytes() const;
  s3::Content spooled() const;
  std::string path() const { return m_store.path_of(m_at.key); }
  Result<> spool(ByteView bytes);
  Result<> begin_parts();
  Result<> put_part();
  Result<> complete();
  Result<> find_parts(const S3Progress& progress);
  Result<> end_parts(const std::string& path, const std::string& upload_id);
  Result<> take_over(const S3Progress& progress);
  Result<> fetch(const std::string& path, ByteRange range);
  void remove_garbage();
  std::vector<std::string> leftovers() const;

  S3Store& m_store;
  const LocationId m_id;
  const std::shared_ptr<const Fd> m_spool;
  S3Progress m_at;                     // tail_bytes: what the spool has
  Hasher m_hasher{Algorithm::sha256};  // of the spool
  std::vector<s3::Part> m_parts;
  std::vector<std::string> m_garbage;     // keys that nobody needs any more
  std::vector<std::string> m_superseded;  // keys that the catalog's token may still name, and that this does not need
  bool m_is_suspended = false;            // a token exists: what it speaks of must outlive this object
  bool m_is_complete = false;             // the object is there
};

}  // namespace slipway::blob
