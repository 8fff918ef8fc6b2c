#include "publish/media_types.hpp"

#include <gtest/gtest.h>

namespace slipway::publish {
namespace {

TEST(MediaType, IsByTheNamesExtension) {
  for (const auto& [path, type] : std::initializer_list<std::pair<const char*, const char*>>{
           {"index.html", "text/html; charset=utf-8"},
           {"a/B.HTML", "text/html; charset=utf-8"},
           {"app.min.js", "text/javascript; charset=utf-8"},
           {"a.json", "application/json"},
           {"index.tar.gz", "application/gzip"},
           {"x.svg", "image/svg+xml"},
           {"x.woff2", "font/woff2"},
           {"7.7z", "application/x-7z-compressed"},
           {"x.zst", "application/zstd"},
           {"README", "application/octet-stream"},
           {".html", "application/octet-stream"},
           {"a.d/html", "application/octet-stream"},
           {"x.unheard-of", "application/octet-stream"},
           {"x.", "application/octet-stream"},
           {"", "application/octet-stream"},
       })
    EXPECT_EQ(media_type_of(path), type) << path;
}

}  // namespace
}  // namespace slipway::publish
