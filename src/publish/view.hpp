#pragma once
// What a repository shows on its site besides the files of its trees: what is made of a snapshot when it is asked for.

#include "http/conditional.hpp"
#include "publish/trees.hpp"

namespace slipway::publish {

/// What is asked of a view.
struct ViewRequest {
  std::string_view path;  ///< of the site; begins with '/'
  const http::Query& query;
  const http::Headers& headers;
  std::string_view site = "";  ///< where the site is, for what is read elsewhere: "https://host/opam"
};

/// Bytes that a path stands for, ready to be sent whole or in part.
struct Representation {
  std::string media_type;
  http::Validators validators;
  std::uint64_t size = 0;
  std::string_view coding;     ///< Content-Encoding; empty: none
  std::string_view varies_by;  ///< header fields by which other clients may get other bytes; empty: none do
  bool is_weak = false;        ///< its bytes are not those that the ETag is of
  bool is_lasting = false;     ///< never anything else at this path
  /// Opens a part. What it is called upon outlives the answer.
  std::function<Result<FileSlice>(ByteRange)> open;
  std::shared_ptr<const std::string> text;  ///< the bytes, where they are in memory; then `open` is not called
  std::vector<std::pair<std::string, std::string>> fields;  ///< of the answer, besides those that follow from the rest
  std::string elsewhere;  ///< not here, but at this path of the site; then nothing else is looked at
  /// Those bytes turned out not to be where they should.
  std::function<void()> lost = [] {};
};

/// Safe to call from any thread.
class View {
public:
  virtual ~View() = default;
  /// What a path of a site stands for, where it is the view's; nothing where it is as any site's. not_found where it is
  /// the view's, and there is nothing; else the store's and the catalog's errors.
  virtual Result<std::optional<Representation>> find(Trees& trees, const OpenTree& tree,
                                                     const ViewRequest& request) = 0;
};

}  // namespace slipway::publish
