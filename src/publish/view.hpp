#pragma once
// What a repository shows on its site besides the files of its trees: what is made of a snapshot when it is asked for.

#include "http/conditional.hpp"
#include "publish/trees.hpp"

namespace slipway::publish {

/// Bytes that a path stands for, ready to be sent whole or in part.
struct Representation {
  std::string media_type;
  http::Validators validators;
  std::uint64_t size = 0;
  std::string_view coding;     ///< Content-Encoding; empty: none
  bool is_negotiated = false;  ///< other clients may get other bytes: Vary
  bool is_lasting = false;     ///< never anything else at this path
  /// Opens a part. What it is called upon outlives the answer.
  std::function<Result<FileSlice>(ByteRange)> open;
  /// Those bytes turned out not to be where they should.
  std::function<void()> lost = [] {};
};

/// Safe to call from any thread.
class View {
public:
  virtual ~View() = default;
  /// What `path` of a site stands for, where it is the view's; nothing where it is as any site's. It begins with '/'.
  /// not_found where it is the view's, and there is nothing; else the store's and the catalog's errors.
  virtual Result<std::optional<Representation>> find(Trees& trees, const OpenTree& tree, std::string_view path) = 0;
};

}  // namespace slipway::publish
